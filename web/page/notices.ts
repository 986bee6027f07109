// What went wrong, each in its own plain words with what to do. Foreign text only ever becomes text.

import type { Saved } from './messages';
import { go } from './views';

/** stays: the notice is there after it, too. */
export type Choice = [label: string, action: () => void, stays?: true];

/** For whom nothing trains: this view does without a GPU. */
const TO_HOW: Choice[] = [['How it works', () => go('how'), true]];

const place = () => document.getElementById('notices')!;

/** Shows a notice in place of an earlier one of the same name. */
export function notice(name: string, title: string, text: string, choices: Choice[] = [], urgent = true) {
  const box = document.createElement('div');
  box.className = urgent ? 'notice urgent' : 'notice';
  box.dataset.name = name;
  box.setAttribute('role', urgent ? 'alert' : 'status');
  const head = Object.assign(document.createElement('p'), { className: 'title', textContent: title });
  box.append(head);
  if (text) box.append(Object.assign(document.createElement('p'), { textContent: text }));
  if (choices.length) {
    const buttons = Object.assign(document.createElement('div'), { className: 'buttons' });
    choices.forEach(([label, action, stays], i) => {
      const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
      if (i === 0) button.className = 'strong';
      button.addEventListener('click', () => {
        if (!stays) box.remove();
        action();
      });
      buttons.append(button);
    });
    box.append(buttons);
  }
  unnotice(name);
  place().append(box);
}

export function unnotice(name: string) {
  for (const box of place().children) if ((box as HTMLElement).dataset.name === name) box.remove();
}

export const noWebGpu = () =>
  notice(
    'gpu',
    'This browser has no WebGPU',
    'Training needs it. Open this page in a recent Chrome, Edge, Safari or Firefox, over https or on localhost. On Linux, Chrome may want WebGPU switched on at chrome://flags.',
    TO_HOW,
  );

export const noAdapter = () =>
  notice(
    'gpu',
    'The browser found no GPU it may use',
    'WebGPU is there, but no adapter. Switch on graphics acceleration in the browser’s settings, update the graphics driver, then reload this page.',
    TO_HOW,
  );

export const tooLittleMemory = (why: string) =>
  notice('run', 'There is too little memory for this', `Choose a smaller batch or a smaller preset in the settings. In detail: ${why}.`);

export const notLoaded = (why: string) => notice('gpu', 'The page could not load', `Reload it, or try a newer browser. What happened: ${why}`);

export const lostForNow = (step: number) =>
  notice('lost', 'The GPU went away', `The browser took it back, perhaps for a driver update or because it was too busy. Training goes on from step ${step} as soon as it returns.`);

export const lostForGood = (stored: number | null) =>
  notice(
    'lost',
    'The GPU did not come back',
    stored === null
      ? 'The run was not saved in this browser, so it is lost. Close what else uses the GPU and reload this page to begin again.'
      : `The run is saved at step ${stored}. Close what else uses the GPU and reload this page: it offers to continue.`,
    [['Reload', () => location.reload()]],
  );

/** After a step that was not finite; the next would be the same. */
export const diverged = (why: string, reset: () => void) =>
  notice('run', 'Training broke down', `${why.charAt(0).toUpperCase()}${why.slice(1)}. To go on would only repeat it: reset, and choose a lower learning rate.`, [['Reset', reset]]);

/** The worker ended. What its module can't get memory for ends it without a word about memory. */
export function brokenDown(why: string, beginning: boolean, saved: boolean) {
  const perhaps = beginning ? 'Perhaps there is too little memory: try a smaller batch or a smaller preset. ' : '';
  const kept = saved ? 'What was saved last is offered below. ' : beginning ? '' : 'Nothing of it was saved. ';
  notice('run', beginning ? 'Training could not begin' : 'Training broke down', `${perhaps}${kept}What happened: ${why}`);
}

export const at = (when: number) => new Date(when).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export function savedRun(saved: Saved, open: () => void, forget: () => void) {
  const finished = saved.step >= saved.steps;
  const title = finished ? `Open the finished run of ${at(saved.when)}?` : `Continue the run of ${at(saved.when)}, step ${saved.step}?`;
  const images = saved.own ? `It trains on your own ${saved.own} images, which are kept with it. ` : '';
  const end = finished ? `All its ${saved.steps} steps are taken.` : `It goes on to step ${saved.steps} as if nothing had happened.`;
  const choices: Choice[] = [
    [finished ? 'Open it' : 'Continue', open],
    ['Delete it', forget],
  ];
  notice('saved', title, `${images}${end} A new run would take its place.`, choices, false);
}
