// The page: buttons to messages, messages to pictures. All the work is the worker's.
import type { Facts, Look } from 'ijepa';
import { Chosen } from './chosen';
import { AccuracyCurve, LossCurve } from './curves';
import { BatchDrawing, ColoursDrawing, png } from './drawings';
import { listen } from './files';
import { draw, dropDrawings } from './frames';
import { download, element, write } from './make';
import type { Course, FromWorker, Reading, Saved, ToWorker } from './messages';
import * as notices from './notices';
import { Others } from './others';
import { SettingsForm } from './settings';
import { clearVerdict, showVerdict, tellStory } from './verdict';
import { countStep, follow } from './views';

const button = (id: string) => element<HTMLButtonElement>(id);

/** Buttons of the panels, which show a run. */
const OF_A_RUN = ['loss-log', 'loss-raw', 'loss-smooth', 'loss-reg', 'loss-png', 'knn-png', 'batch-png', 'colours-png'];

type State = 'loading' | 'ready' | 'beginning' | 'running' | 'paused' | 'finished' | 'lost';
let state: State = 'loading';
let facts: Facts | null = null;
let course: Course = { points: [], looks: [], raw: null, colours: null, seconds: 0 };
let examples = new Uint8Array();
let own = 0;
let software = false;
/** The run in this browser's storage. */
let stored: Saved | null = null;
/** Runs are saved here: no other tab keeps its own. */
let keeps = true;
/** The run was begun by the button for one step. */
let stepAtOnce = false;

const calm = matchMedia('(prefers-reduced-motion: reduce)');
/** When the batch was drawn last. */
let drawn = -Infinity;

// Said to screen readers, at most every ten seconds beside what the visitor has just done.
let spoken = 0;
function speak(text: string, always = true) {
  if (!always && performance.now() - spoken < 10_000) return;
  spoken = performance.now();
  write('live', text);
}

const lossCurve = new LossCurve(element('loss-chart'), element('loss-values'), 'Loss at every step');
const accuracyCurve = new AccuracyCurve(element('knn-chart'), element('knn-values'), 'k-NN accuracy over the run');
const batchDrawing = new BatchDrawing(element<HTMLCanvasElement>('batch'));
const coloursDrawing = new ColoursDrawing(element<HTMLCanvasElement>('colours'));
const empties = new Map(['loss-chart', 'knn-chart'].map((id) => [id, element(id).textContent!.trim()]));

let worker: Worker | null = null;
const tell = (message: ToWorker) => worker?.postMessage(message);

function enter(next: State, doing = '') {
  const before = state;
  state = next;
  const label = { loading: 'Start training', ready: 'Start training', beginning: 'Starting…', running: 'Pause', paused: 'Continue', finished: 'Finished', lost: 'Waiting…' }[next];
  write('train', label);
  button('train').disabled = ['loading', 'beginning', 'finished', 'lost'].includes(next);
  button('one').disabled = !['ready', 'paused'].includes(next);
  button('reset').disabled = !['running', 'paused', 'finished'].includes(next);
  button('weights').disabled = button('csv').disabled = !['running', 'paused', 'finished'].includes(next);
  for (const id of OF_A_RUN) button(id).disabled = !facts;
  // A button that was disabled under the keyboard gives the focus away.
  if (before === 'beginning' && document.activeElement === document.body) button('train').focus({ preventScroll: true });
  write('doing', doing);
  countStep(next === 'running' ? Number(element('step').textContent) : null);
  images.describe();
  others.know();
}

function showStep(step: number, loss: number | null, rate: number | null, seconds: number) {
  write('step', String(step));
  write('steps', facts ? ` of ${facts.steps}` : '');
  if (rate !== null) write('rate', rate >= 100 ? rate.toFixed(0) : rate.toFixed(1));
  if (loss !== null) write('loss', loss.toFixed(4));
  write('time', clock(seconds));
  element<HTMLProgressElement>('progress').value = facts ? step / facts.steps : 0;
  countStep(state === 'running' ? step : null);
  others.know();
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function verdict(look: Look) {
  const changed = showVerdict(look, course.looks[0]!);
  if (changed) speak(changed);
}

function drawLooks() {
  const last = course.looks.at(-1);
  if (!last) return;
  if (last.neighbours === null) {
    accuracyCurve.clear('Your images are in one folder, so there are no labels to compare neighbours by.');
  } else {
    accuracyCurve.set(course.looks, course.raw, course.points.at(-1)?.step ?? 0);
  }
}

function drawColours() {
  element('colours-empty').hidden = true;
  coloursDrawing.draw(examples, course.colours, facts!);
}

function clear() {
  facts = null;
  course = { points: [], looks: [], raw: null, colours: null, seconds: 0 };
  own = 0;
  dropDrawings();
  lossCurve.clear(empties.get('loss-chart')!);
  accuracyCurve.clear(empties.get('knn-chart')!);
  batchDrawing.clear();
  coloursDrawing.clear();
  element('batch-empty').hidden = element('colours-empty').hidden = false;
  clearVerdict();
  write('rate', '–');
  write('loss', '–');
  showStep(0, null, null, 0);
}

function describeKeeping() {
  const here = 'The run saves itself in this browser every minute and at each pause.';
  const elsewhere = 'Another tab keeps its run in this browser, so what you train here is not saved: download the weights before you close it.';
  write('saved', keeps ? here : elsewhere);
}

function offer(saved: Saved) {
  const open = () => {
    enter('beginning', 'Opening the saved run…');
    tell({ kind: 'continue' });
  };
  const forget = () => {
    tell({ kind: 'forget' });
    stored = null;
    others.know();
  };
  notices.savedRun(saved, open, forget);
}

function hear(message: FromWorker) {
  switch (message.kind) {
    case 'ready': {
      const { name } = message.adapter;
      ({ keeps } = message);
      describeKeeping();
      software = message.adapter.software;
      write('adapter', software ? `${name} (on the processor, so slow)` : name);
      enter('ready', 'One click trains on 4,000 generated images; no choice is needed.');
      checkSettings();
      stored = message.saved;
      if (stored && stored.step > 0) offer(stored);
      others.ready();
      break;
    }
    case 'checked':
      if (message.id === askedDefaults) {
        form.showDefaults(message.config ?? '');
        // The second question builds on the first one's answer.
        tell({ kind: 'check', settings: form.settings(), id: (askedWhole = ++asked) });
      } else if (message.id === askedWhole) form.judge(message.whys, message.config, images.final);
      break;
    case 'busy':
      write('doing', message.text);
      speak(message.text);
      break;
    case 'opened':
      facts = message.facts;
      examples = message.examples as Uint8Array<ArrayBuffer>;
      showStep(0, null, null, 0);
      draw('colours', drawColours);
      break;
    case 'begun':
      facts = message.facts;
      course = message.course;
      examples = message.examples as Uint8Array<ArrayBuffer>;
      own = message.own;
      for (const name of ['lost', 'saved']) notices.unnotice(name);
      notices.unnotice('run');
      showStep(facts.step, course.points.at(-1)?.loss ?? null, null, course.seconds);
      enter(message.running ? 'running' : facts.step < facts.steps ? 'paused' : 'finished', about());
      speak(`${message.running ? 'Training' : 'Ready'}, step ${facts.step} of ${facts.steps}`);
      draw('loss', () => lossCurve.set(course.points));
      if (course.looks.length) {
        verdict(course.looks.at(-1)!);
        draw('looks', drawLooks);
      }
      draw('colours', drawColours);
      if (stepAtOnce) tell({ kind: 'step' });
      stepAtOnce = false;
      break;
    case 'steps': {
      if (!facts) break;
      if (!course.points.length && state === 'running') write('doing', about()); // kernels are compiled now
      course.points.push(...message.points);
      const { step, loss } = message.last;
      showStep(step, loss, message.rate, message.seconds);
      speak(`Step ${step} of ${facts.steps}, loss ${loss.toFixed(3)}`, false);
      draw('loss', () => lossCurve.set(course.points));
      draw('story', () => tellStory(course.points));
      if (course.looks[0]?.neighbours != null) draw('looks', drawLooks); // its levels reach to this step
      break;
    }
    case 'batch':
      // Pictures that change all the time are motion, too.
      if (calm.matches && state === 'running' && performance.now() - drawn < 5000) break;
      drawn = performance.now();
      draw('batch', () => {
        if (!facts) return;
        element('batch-empty').hidden = true;
        batchDrawing.draw(message.batch, facts);
      });
      break;
    case 'colours':
      course.colours = message.colours;
      if (facts) draw('colours', drawColours);
      break;
    case 'look':
      if (!facts || state === 'beginning') break; // the first ones come with the course
      course.looks.push(message.look);
      verdict(message.look);
      draw('looks', drawLooks);
      break;
    case 'running':
      enter(message.finished ? 'finished' : message.running ? 'running' : 'paused', message.finished ? 'Done. Keep the weights, or reset and train again.' : about());
      speak(message.finished ? 'Training has finished' : message.running ? 'Training' : 'Paused');
      break;
    case 'reset':
      clear();
      stored = null;
      enter('ready', 'Ready to begin again.');
      describeKeeping();
      speak('Reset');
      break;
    case 'reading':
      showReading(message.reading);
      break;
    case 'file':
      download(message.name, message.bytes);
      break;
    case 'walked':
      others.walked(message.walk, message.why);
      break;
    case 'answer':
      others.hear(message.answer);
      break;
    case 'saved':
      stored = message.saved;
      write('saved', `Saved in this browser at ${notices.at(message.saved.when)}, step ${message.saved.step}: after a reload it can go on from there.`);
      break;
    case 'unsaved':
      if (!keeps) describeKeeping();
      else write('saved', `The run is not saved (${message.why}): download the weights before you close the page.`);
      break;
    case 'lost':
      enter('lost', 'Waiting for the GPU…');
      if (message.again) notices.lostForNow(message.step);
      else notices.lostForGood(message.stored);
      break;
    case 'failed':
      fail(message.what, message.why);
      break;
  }
}

function fail(what: 'memory' | 'diverged' | 'run' | 'load', why: string) {
  if (what === 'load') {
    without();
    return notices.notLoaded(why);
  }
  if (state === 'beginning' || state === 'lost') {
    notices.unnotice('lost');
    clear();
    enter('ready', '');
    if (stored) offer(stored);
  }
  if (what === 'memory') notices.tooLittleMemory(why);
  else if (what === 'diverged') notices.diverged(why, () => tell({ kind: 'reset' }));
  else notices.notice('run', 'Training stopped', `${why.charAt(0).toUpperCase()}${why.slice(1)}.`);
}

function about(): string {
  if (!facts) return '';
  const parameters = facts.parameters >= 1e6 ? `${(facts.parameters / 1e6).toFixed(1)} million` : facts.parameters.toLocaleString('en');
  const what = own ? 'of your images' : 'generated images';
  return `${parameters} weights, ${facts.images.toLocaleString('en')} ${what}, batches of ${facts.batch}.`;
}

// Settings: asked for at every change, answered by the library.
let asked = 0;
let askedDefaults = 0; // of the preset
let askedWhole = 0; // of all that the form says
let settle: number | undefined;
const form = new SettingsForm(element<HTMLFormElement>('form'), () => {
  clearTimeout(settle);
  settle = window.setTimeout(checkSettings, 120);
});
function checkSettings() {
  askedDefaults = ++asked;
  askedWhole = 0; // what is under way is no answer any more
  tell({ kind: 'check', settings: form.settings(true), id: askedDefaults });
  write('settings-note', form.changed ? `${form.changed} changed; they count from the next start` : 'all at their defaults');
}

// Images.
const images = new Chosen((count) => {
  if (['loading', 'ready'].includes(state)) return 'Training starts with them.';
  return own === count ? 'Training uses them.' : 'Reset, then training starts with them.';
});
function showReading(reading: Reading) {
  images.show(reading);
  if (!reading.done) return;
  checkSettings();
  others.know();
  if (reading.seen) speak(element('images-state').textContent!);
}

function start(running: boolean) {
  if (form.why) {
    element<HTMLDetailsElement>('settings').open = true;
    return form.focusWrong();
  }
  clear();
  enter('beginning', 'Starting…');
  stepAtOnce = !running;
  const settings = form.settings();
  // On a processor the monitor's usual number of images would take a minute before the first step.
  if (software) settings.set = ['logging.monitor_images=128', ...(settings.set ?? [])];
  tell({ kind: 'start', settings, own: images.any, running });
}

function connect() {
  button('train').addEventListener('click', () => {
    if (state === 'ready') start(true);
    else if (state === 'running') (write('doing', 'Finishing this step…'), tell({ kind: 'pause' }));
    else if (state === 'paused') tell({ kind: 'run' });
  });
  button('one').addEventListener('click', () => {
    if (state === 'ready') start(false);
    else tell({ kind: 'step' });
  });
  button('reset').addEventListener('click', () => tell({ kind: 'reset' }));
  button('weights').addEventListener('click', () => tell({ kind: 'weights' }));
  button('csv').addEventListener('click', () => tell({ kind: 'csv' }));
  const toggle = (id: string, what: (on: boolean) => void) =>
    button(id).addEventListener('click', () => {
      const on = button(id).getAttribute('aria-pressed') !== 'true';
      button(id).setAttribute('aria-pressed', String(on));
      what(on);
    });
  toggle('loss-log', (on) => lossCurve.setLog(on));
  toggle('loss-raw', (on) => lossCurve.toggle('raw', on));
  toggle('loss-smooth', (on) => lossCurve.toggle('smooth', on));
  toggle('loss-reg', (on) => lossCurve.toggle('reg', on));
  const picture = (id: string, of: () => HTMLCanvasElement | null) =>
    button(`${id}-png`).addEventListener('click', async () => {
      const canvas = of();
      const blob = canvas && (await png(canvas));
      if (blob) download(`ijepa-${id}-step-${course.points.at(-1)?.step ?? 0}.png`, blob);
    });
  picture('loss', () => lossCurve.picture());
  picture('knn', () => accuracyCurve.picture());
  picture('batch', () => element<HTMLCanvasElement>('batch'));
  picture('colours', () => element<HTMLCanvasElement>('colours'));
  listen((files, unreadable) => others.take(files, unreadable));
  element('to-settings').addEventListener('click', () => (element<HTMLDetailsElement>('settings').open = true));
  button('forget-images').addEventListener('click', () => {
    tell({ kind: 'drop images' });
    images.forget();
    checkSettings();
    element('files').focus();
  });
}

const others = new Others({
  tell,
  speak,
  situation() {
    const run = facts && ['running', 'paused', 'finished'].includes(state) ? { step: Number(element('step').textContent) } : null;
    const missing = element('adapter').textContent === 'none';
    return { ready: !['loading', 'lost'].includes(state), missing, run, saved: stored, own: images.count || own || (stored?.own ?? 0) };
  },
  read: (files, unreadable) => tell({ kind: 'read', files, unreadable, crop: form.crop }),
});

/** Nothing can be trained here: what would want images, or promise to keep a run, says so. */
function without() {
  write('adapter', 'none');
  enter('loading', '');
  document.body.dataset.gpu = 'none';
  for (const id of ['files', 'folder']) element<HTMLInputElement>(id).disabled = true;
  write('images-state', 'Images are for training, which needs a GPU.');
  write('saved', 'Without training there is nothing to keep.');
  others.know();
}

async function open() {
  follow((view) => void others.opened(view));
  clear();
  enter('loading', 'Loading…');
  connect();
  if (!navigator.gpu) {
    without();
    return notices.noWebGpu();
  }
  if (!(await navigator.gpu.requestAdapter().catch(() => null))) {
    without();
    return notices.noAdapter();
  }
  work();
}

function work() {
  worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.addEventListener('message', (event: MessageEvent<FromWorker>) => hear(event.data));
  worker.addEventListener('error', (event) => {
    if (state === 'loading') return fail('load', event.message || 'the worker did not load');
    // What the module can't make room for, it can't survive either: another worker takes its place.
    const beginning = state === 'beginning';
    worker?.terminate();
    clear();
    images.forget();
    enter('loading', 'Loading…');
    others.restarted();
    notices.brokenDown(event.message, beginning, (stored?.step ?? 0) > 0);
    work();
  });
}

void open();
