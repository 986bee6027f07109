// Looking inside a trained network: what to look into, which image, and the panels.
import './inside.css';
import type { Saved } from '../messages';
import { make } from '../make';
import { Explore } from './explore';
import { ImageSet } from './maps';
import { Mask } from './mask';
import type { Answer, Ask, Opened, Question, Source } from './messages';
import { choices } from './parts';
import { Strip } from './strip';

/** What can be looked into here now. */
export interface Situation {
  /** There is a GPU, and the worker is at it. */
  ready: boolean;
  /** There is none, and there won't be. */
  missing: boolean;
  run: { step: number } | null;
  saved: Saved | null;
  /** Images of the visitor's own. */
  own: number;
}

export interface Host {
  ask(ask: Ask): void;
  situation(): Situation;
  speak(text: string): void;
  train(): void;
}

/** More than this a page can't hold beside what it makes of it. */
const MOST_BYTES = 1_500_000_000;
const TRIES = 5;

const count = (n: number, what: string) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;

export class Inside {
  private source: Source | null = null;
  private wanted: { source: Source; own: boolean } | null = null;
  private kept: Source | null = null;
  private set: ImageSet | null = null;
  private asked = 0;
  /** Answers to earlier questions are about something else. */
  private since = 0;
  private tries = 0;
  /** Opens again what a loss of the GPU closed. */
  private retry: number | undefined;
  private owned = 0;
  private hadRun = false;
  private latest = new Map<Question['about'], number>();

  private state = make('p', { className: 'looked-into' });
  private facts = make('p', { className: 'caption' });
  private now = make('span', { className: 'caption now' });
  private trouble = make('p', { className: 'trouble', hidden: true });
  private again = this.button('Look again', () => this.open({ from: 'run' }));
  private toRun = this.button('The run under way', () => this.open({ from: 'run' }));
  private toSaved = this.button('The saved run', () => this.open({ from: 'saved' }));
  private toTrain = this.button('Train one', () => this.host.train());
  private file = make('input', { type: 'file', accept: '.safetensors' });
  private images = choices('set', 'Images to look at', [['yes', 'Your own images'], ['no', 'Generated images']], () => {
    if (this.source) this.open(this.source);
  });
  private strip = new Strip((image) => {
    this.explore.choose(image);
    this.mask.choose(image);
    this.host.speak(this.set!.name(image));
  });
  private mask = new Mask((question) => this.ask(question));
  private explore = new Explore((question) => this.ask(question));
  private top = make('div', { className: 'source' });
  private body = make('div', { hidden: true });

  constructor(
    private place: HTMLElement,
    private host: Host,
  ) {
    this.trouble.setAttribute('role', 'alert');
    this.state.setAttribute('role', 'status');
    this.file.addEventListener('change', () => {
      const [file] = this.file.files ?? [];
      if (file) this.give(file, file.name);
      this.file.value = ''; // the same file may be chosen again
    });
    const lead = 'What has the network learnt? Choose an image, hide a part of it, pick a patch: everything here is computed on your GPU, from the network’s own features.';
    const chooseFile = make('label', { className: 'button' }, this.file, 'Choose a checkpoint');
    const text = make('div', {}, this.state, this.facts, this.trouble);
    const buttons = make('div', { className: 'buttons' }, this.now, this.again, this.toRun, this.toSaved, this.toTrain, chooseFile);
    this.body.append(make('div', { className: 'which' }, this.strip.element, this.images.element), this.mask.element, this.explore.element);
    this.top.append(text, buttons);
    place.append(make('p', { className: 'lead', textContent: lead }), this.top, this.body);
    this.know();
    this.shown();
  }

  private button(label: string, action: () => void): HTMLButtonElement {
    const button = make('button', { type: 'button', textContent: label });
    button.addEventListener('click', action);
    return button;
  }

  /** The view is opened: where nothing is looked into yet, what there is. */
  shown() {
    const { ready, run, saved } = this.host.situation();
    if (this.source || this.wanted || !ready) return;
    if (this.kept) this.open(this.kept);
    else if (run) this.open({ from: 'run' });
    else if (saved) this.open({ from: 'saved' });
  }

  /** What can be looked into has changed. */
  know() {
    const { ready, missing, run, saved, own } = this.host.situation();
    const from = this.source?.from;
    this.toRun.hidden = !run || from === 'run';
    this.toSaved.hidden = !saved || run !== null || from === 'saved';
    this.toTrain.hidden = !ready || run !== null || this.source !== null;
    const step = this.set?.subject.step ?? 0;
    const news = from === 'run' && run !== null && run.step !== step;
    this.again.hidden = from !== 'run' || !run;
    this.again.disabled = !news || this.wanted !== null;
    this.now.textContent = news ? `now at step ${run.step}` : '';
    this.file.disabled = !ready;
    this.file.parentElement!.hidden = missing;
    this.top.classList.toggle('none', !this.source && !this.wanted);
    this.images.element.hidden = !own;
    // Images that have just been given are meant to be looked at.
    const given = own > 0 && this.owned === 0;
    this.owned = own;
    if (given && this.source && !this.wanted) return this.open(this.source);
    if (!this.source && !this.wanted) {
      this.state.textContent = missing ? 'Looking inside needs a GPU.' : ready ? 'There is nothing to look into yet.' : 'Looking for a GPU…';
      this.facts.textContent = ready
        ? 'Train for a minute, or choose a checkpoint: a .safetensors file of this page or of ijepa train. It can be dropped anywhere here, and stays on this device.'
        : '';
    } else if (this.set && !this.wanted) this.describe();
    // A run that has begun while this view was open and had nothing.
    const began = run !== null && !this.hadRun;
    this.hadRun = run !== null;
    if (began && !this.place.hidden) this.shown();
  }

  /** A file that was chosen or dropped. */
  give(file: Blob, name: string) {
    if (file.size > MOST_BYTES) {
      const size = (file.size / 1e9).toFixed(1);
      return this.complain(`“${name}” has ${size} GB, and a page can hold no more than ${MOST_BYTES / 1e9} GB: ijepa eval on the command line reads it.`);
    }
    this.open({ from: 'file', file, name });
  }

  private open(source: Source) {
    const own = this.host.situation().own > 0 && this.images.value() === 'yes';
    this.trouble.hidden = true;
    clearTimeout(this.retry);
    this.retry = undefined;
    this.wanted = { source, own };
    this.ask({ about: 'open', source, own });
    this.state.textContent = 'Opening it, and encoding images to look at it with…';
    if (!this.set) this.facts.textContent = '';
    this.know();
  }

  private ask(question: Question) {
    const id = ++this.asked;
    if (question.about === 'open') this.since = id;
    this.latest.set(question.about, id);
    this.host.ask({ ...question, id });
  }

  hear(answer: Answer) {
    // What was asked of the network before, or refused in favour of a later question, is of no interest.
    if (answer.id < this.since) return;
    switch (answer.about) {
      case 'open':
        this.opened(answer);
        break;
      case 'guesses':
        this.mask.hear(answer);
        break;
      case 'block':
        this.mask.take(answer.patches);
        break;
      case 'failed':
        if (answer.id === this.latest.get(answer.question)) this.failed(answer);
        break;
      default:
        this.explore.hear(answer);
    }
  }

  private opened(answer: Opened) {
    if (!this.wanted) return;
    this.source = this.wanted.source;
    this.wanted = null;
    this.tries = 0;
    this.set = new ImageSet(answer);
    this.body.hidden = false;
    this.know();
    this.strip.show(this.set);
    this.look();
    this.host.speak(this.state.textContent!);
  }

  private describe() {
    const { subject, opened } = this.set!;
    const { run } = this.host.situation();
    const names = { run: run ? 'The run under way' : 'The run that was under way', saved: 'The run saved in this browser', file: '' };
    const name = this.source!.from === 'file' ? this.source!.name : names[this.source!.from];
    const step = `, at step ${subject.step} of ${subject.steps}`;
    if (this.state.textContent !== name + step) this.state.replaceChildren(make('b', { textContent: name }), step);
    const weights = subject.parameters >= 1e6 ? `${(subject.parameters / 1e6).toFixed(1)} million weights` : count(subject.parameters, 'weight');
    const kind = opened.own ? 'of your own images' : 'generated images that no run trains on';
    this.facts.textContent = `${weights}, ${count(subject.depth, 'block')} of ${count(subject.heads, 'head')}. Looked at with ${subject.images} ${kind}.`;
  }

  private failed(answer: Extract<Answer, { about: 'failed' }>) {
    if (answer.question === 'guesses') this.mask.refused();
    const source = this.wanted?.source ?? this.source;
    // Several questions may fail at one loss.
    if (answer.lost && this.retry !== undefined) return;
    if (answer.lost && source && ++this.tries <= TRIES) {
      this.state.textContent = 'The GPU went away. Looking again as soon as it is back…';
      this.retry = window.setTimeout(() => this.open(source), 700 * this.tries);
      return;
    }
    const name = source?.from === 'file' ? `“${source.name}”` : 'It';
    const opening = answer.question === 'open';
    if (opening) this.wanted = null;
    // Whatever is wrong with the first bytes of a file, this is what it means.
    const text = opening && /header/i.test(answer.why) ? `it is no safetensors file (${answer.why})` : answer.why;
    const why = `${text}${/[.!?]$/.test(text) ? '' : '.'}`;
    this.complain(answer.lost ? 'The GPU did not come back: reload this page.' : opening ? `${name} can’t be looked into: ${why}` : `That went wrong: ${why}`);
    this.know();
    // What was asked meanwhile fell with it.
    if (opening && this.set) this.look();
  }

  private look() {
    this.mask.show(this.set!, this.strip.image);
    this.explore.show(this.set!, this.strip.image);
  }

  private complain(text: string) {
    this.trouble.textContent = text;
    this.trouble.hidden = false;
  }

  /** The worker was replaced: what it looked into is gone with it. A file is still here, to be opened when the next is ready. */
  restarted() {
    const source = this.wanted?.source ?? this.source;
    this.kept = source?.from === 'file' ? source : null;
    clearTimeout(this.retry);
    this.retry = undefined;
    this.source = this.wanted = null;
    this.body.hidden = true;
    this.set = null;
    this.know();
  }
}
