// How it works: the text, and the figures that are made from a real step.
import { make } from '../make';
import type { ToWorker } from '../messages';
import { view } from '../views';
import { figures, type Figure } from './figures';
import './how.css';
import './figures.css';
import { shares } from './numbers';
import { PAPERS, SECTIONS, USUAL, type Section } from './text';
import type { Walk } from './walk';

/** Milliseconds between two looks at a run that trains. */
const RENEW = 4000;

/** What stands in figures that show nothing. */
const EMPTY: Record<string, string> = { wait: 'Being computed…', none: 'This figure needs WebGPU.', failed: 'This figure could not be made.' };

export interface Doors {
  tell(message: ToWorker): void;
  /** ready: there is a worker to ask; missing: there will be none, for want of a GPU. */
  situation(): { ready: boolean; missing: boolean };
}

/** Text with its marks: see text.ts. */
function marked(text: string): Node[] {
  const nodes: Node[] = [];
  let at = 0;
  for (const found of text.matchAll(/\*([^*]+)\*|`([^`]+)`|\{(\w+)\}|\[([^\]]+)\]\((#[^)]+)\)/g)) {
    const [whole, term, code, live, words, place] = found;
    nodes.push(new Text(text.slice(at, found.index)));
    at = found.index + whole.length;
    if (term) nodes.push(make('dfn', {}, term));
    else if (code) nodes.push(make('code', {}, code));
    else if (words) nodes.push(make('a', { href: place }, words));
    else if (live) {
      const span = make('span', { className: 'live' }, USUAL[live] ?? '');
      span.dataset.live = live;
      nodes.push(span);
    }
  }
  nodes.push(new Text(text.slice(at)));
  return nodes;
}

/** The numbers that stand in the text. */
function numbers({ facts, step, batch, image }: Walk): Record<string, string> {
  const small = (value: number) => value.toExponential(1).replace('e-', ' · 10^−').replace('^−', '⁻').replace(/\d+$/, (digits) => digits.replace(/\d/g, (d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(d)]!));
  return {
    B: String(facts.batch), M: String(batch.targets[image]!.length), N: String(facts.grid ** 2), D: String(facts.width),
    P: String(facts.predictorWidth), Ke: String(step.context), Kp: String(step.target),
    crop: String(facts.crop), patch: String(facts.patch), grid: String(facts.grid),
    values: String(3 * facts.patch ** 2), pixels: String(facts.patch ** 2),
    depth: String(facts.depth), predDepth: String(facts.predictorDepth),
    loss: step.loss.toFixed(4), regularizer: step.regularizer ? `At this step it came to ${step.regularizer.toFixed(4)}.` : 'This run goes without it.',
    gradient: step.gradientNorm.toFixed(3), lr: small(step.lr),
    ...shares(step.momentum),
  };
}

export class How {
  private walk: Walk | null = null;
  private image = 0;
  private block = 0;
  private asking = false;
  /** What is to be asked after the answer that is awaited: for another step or not. */
  private more: boolean | null = null;
  private timer: number | undefined;
  private frame = 0;
  private figures = new Map<string, Figure>();
  private article = make('div', { className: 'article' });
  private contents = make('nav', { className: 'contents', ariaLabel: 'Sections' });
  private state = make('p', { className: 'caption', role: 'status' }, 'Loading…');
  private which = make('output', {}, 'Image 1');
  private previous = make('button', { type: 'button', ariaLabel: 'Previous image', disabled: true }, '‹');
  private next = make('button', { type: 'button', ariaLabel: 'Next image', disabled: true }, '›');
  private another = make('button', { type: 'button', disabled: true }, 'Another step');
  private hold = make('button', { type: 'button', hidden: true }, 'Hold');
  /** Pictures that change by themselves are motion. */
  private held = matchMedia('(prefers-reduced-motion: reduce)').matches;

  constructor(
    place: HTMLElement,
    private doors: Doors,
  ) {
    const wishes = { image: (at: number) => this.follow(at), block: (at: number) => this.chooseBlock(at) };
    for (const [name, figure] of Object.entries(figures(wishes))) this.figures.set(name, figure);
    const picker = make('div', { className: 'picker', role: 'group', ariaLabel: 'Image that is followed' }, this.previous, this.which, this.next);
    const bar = make('div', { className: 'walk-bar' }, picker, this.another, this.hold);
    this.article.append(this.state, bar, ...SECTIONS.map((section, number) => this.section(section, number)), this.papers());
    this.article.dataset.figures = 'wait';
    place.classList.add('how');
    place.append(this.contents, this.article);
    this.listContents();
    this.listen();
    // The place in this view that the address names is only there now.
    if (location.hash.startsWith('#how-')) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }

  private section({ id, title, source, parts }: Section, number: number): HTMLElement {
    const heading = make('h3', { id, tabIndex: -1 }, make('span', { className: 'number' }, String(number)), title);
    const inside = parts.map((one) => (typeof one === 'string' ? make('p', {}, ...marked(one)) : this.figure(one.figure)));
    const section = make('section', {}, heading, ...inside);
    section.setAttribute('aria-labelledby', id);
    if (source) section.append(make('p', { className: 'source' }, source));
    return section;
  }

  private figure(name: string): HTMLElement {
    const { elements, caption, always } = this.figures.get(name)!;
    const waiting = make('p', { className: 'empty' });
    const frame = make('figure', { className: always ? 'always' : '' }, waiting, ...elements);
    if (caption) frame.append(make('figcaption', { className: 'caption' }, caption));
    frame.dataset.figure = name;
    return frame;
  }

  private papers(): HTMLElement {
    const items = PAPERS.map(([who, title, where, link]) => make('li', {}, who, make('a', { href: link, rel: 'noreferrer' }, make('cite', {}, title)), where));
    return make('section', { className: 'papers', ariaLabel: 'Papers' }, make('h3', { id: 'how-papers', tabIndex: -1 }, 'Papers'), make('ul', {}, ...items));
  }

  /** The list of sections, in which the one that is being read is marked. */
  private listContents() {
    const links = new Map(SECTIONS.map(({ id, title }, i) => [id, make('a', { href: `#${id}` }, make('span', { className: 'number' }, String(i)), title)]));
    this.contents.append(make('ol', {}, ...[...links.values()].map((link) => make('li', {}, link))));
    const seen = new Set<string>();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const id = target.getAttribute('aria-labelledby')!;
          if (isIntersecting) seen.add(id);
          else seen.delete(id);
        }
        const now = SECTIONS.find(({ id }) => seen.has(id))?.id;
        for (const [id, link] of links) {
          if (id === now) link.setAttribute('aria-current', 'location');
          else if (now) link.removeAttribute('aria-current');
        }
      },
      { rootMargin: '-25% 0px -60% 0px' },
    );
    for (const section of this.article.querySelectorAll('section[aria-labelledby]')) observer.observe(section);
  }

  private listen() {
    this.previous.addEventListener('click', () => this.follow(this.image - 1));
    this.next.addEventListener('click', () => this.follow(this.image + 1));
    this.another.addEventListener('click', () => {
      // A step of the visitor's own run is taken as the button in Train takes it.
      if (this.walk?.of === 'paused') this.doors.tell({ kind: 'step' });
      this.ask(this.walk?.of !== 'paused' && this.walk?.of !== 'running');
    });
    this.hold.addEventListener('click', () => {
      this.held = !this.held;
      this.describe();
      this.plan();
    });
    document.addEventListener('visibilitychange', () => this.plan());
    let width = 0;
    new ResizeObserver(() => {
      // Its height changes with what figures show.
      if (width !== this.article.clientWidth) this.redo();
      width = this.article.clientWidth;
    }).observe(this.article);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.redo());
  }

  /** The worker is there, or another one in its place. */
  ready() {
    this.asking = false;
    this.more = null;
    this.shown();
  }

  /** The view is shown (again). */
  shown() {
    if (view() === 'how' && this.doors.situation().ready) this.ask(false);
  }

  /** Something has changed. */
  know() {
    if (this.doors.situation().missing) this.say('none', 'The figures are made by your GPU, and this browser gives none. The text does without.');
    else if (this.article.dataset.figures === 'wait' && !this.asking) this.shown();
  }

  hear(walk: Walk | null, why: string) {
    this.asking = false;
    const { more } = this;
    this.more = null;
    if (more !== null) this.ask(more);
    if (!walk) {
      this.another.disabled = false;
      this.say(this.walk ? 'ready' : 'failed', `The figures could not be made: ${why}.`);
      return this.plan(); // a run that trains may come back
    }
    this.walk = walk;
    if (!this.asking) this.image = walk.image;
    this.block = Math.min(this.block, walk.batch.targets[walk.image]!.length - 1);
    this.article.dataset.figures = 'ready';
    this.redo();
    this.describe();
    this.plan();
  }

  private say(figures: string, text: string) {
    this.article.dataset.figures = figures;
    this.state.textContent = text;
    for (const place of this.article.querySelectorAll('figure .empty')) place.textContent = EMPTY[figures] ?? '';
  }

  private ask(take: boolean) {
    if (this.asking) {
      this.more = take || this.more === true;
      return;
    }
    this.asking = true;
    clearTimeout(this.timer);
    if (!this.walk) this.say('wait', 'Taking one step with a small network…');
    else if (take) this.state.textContent = 'Taking another step…';
    this.doors.tell({ kind: 'walk', image: this.image, take });
  }

  /** A run that trains is looked at again and again while this view is seen. */
  private plan() {
    clearTimeout(this.timer);
    if (this.asking || this.walk?.of !== 'running' || this.held || document.hidden) return;
    this.timer = window.setTimeout(() => this.shown(), RENEW);
  }

  private follow(image: number) {
    if (!this.walk || image < 0 || image >= this.walk.batch.count) return;
    this.image = image;
    this.ask(false);
  }

  private chooseBlock(block: number) {
    this.block = block;
    if (this.walk) for (const name of ['predictor', 'loss']) this.figures.get(name)!.show({ walk: this.walk, block });
  }

  private redo() {
    const { walk } = this;
    if (!walk) return;
    const values = numbers(walk);
    for (const span of this.article.querySelectorAll<HTMLElement>('[data-live]')) span.textContent = values[span.dataset.live!] ?? '';
    this.draw();
  }

  /** One figure in a frame, so that no frame has to wait for them all; those that are seen first. */
  private draw() {
    const distance = (figure: Figure) => {
      const { top, bottom } = figure.elements[0]!.getBoundingClientRect();
      return Math.max(0, top - innerHeight, -bottom);
    };
    const due = [...this.figures.values()].map((figure) => [distance(figure), figure] as const).sort(([a], [b]) => a - b);
    cancelAnimationFrame(this.frame);
    const next = () => {
      const first = due.shift();
      if (!first) return;
      first[1].show({ walk: this.walk!, block: this.block });
      this.frame = requestAnimationFrame(next);
    };
    next();
  }

  private describe() {
    const { of, run, step, batch } = this.walk!;
    const instead = {
      none: 'If you train, it shows your run instead.',
      waiting: 'Your run is shown as soon as it takes a step.',
      over: 'Your run is finished, and the batch of its last step is not kept with it.',
    };
    const whose = {
      small: `Step ${step.step} of a small network that this view made for itself. ${instead[run]}`,
      running: `Step ${step.step} of your run, ${this.held ? 'held' : 'renewed every few seconds'}.`,
      paused: `Step ${step.step} of your run, which is paused.`,
      finished: `Step ${step.step}, the last of your run.`,
    };
    this.state.textContent = whose[of];
    this.which.textContent = `Image ${this.image + 1} of ${batch.count}`;
    this.previous.disabled = this.image === 0;
    this.next.disabled = this.image === batch.count - 1;
    this.another.textContent = of === 'running' ? 'The latest step' : of === 'small' ? 'Another step' : 'One step of the run';
    this.another.disabled = of === 'finished';
    this.hold.hidden = of !== 'running';
    this.hold.setAttribute('aria-pressed', String(this.held));
  }
}
