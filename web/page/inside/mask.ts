// Hide patches of an image, and see what the predictor says belongs there. This is what an I-JEPA learns.
import type { Guess, Nearest } from 'ijepa';
import { make } from '../make';
import { Board } from './board';
import { fill, place, square, surroundings, type ImageSet } from './maps';
import type { Answer, Question } from './messages';
import { choices, figure, panel, tiles, two } from './parts';

const BIG = 480;
/** Milliseconds in which changes come together, before it is asked what belongs there. */
const TOGETHER = 60;

type Tool = 'block' | 'add' | 'erase';

export class Mask {
  readonly element: HTMLElement;
  private set: ImageSet | null = null;
  private image = 0;
  private hidden = new Set<number>();
  /** What was said of patches of this image, and where the block that is drawn began. */
  private guesses = new Map<number, Guess>();
  private anchor = 0;
  private pointed = 0;
  private timer: number | undefined;
  /** A question is out, and something has changed since. The next follows its answer, so that pictures keep up with the hand. */
  private out = false;
  private changed = false;

  private tool = choices('tool', 'What the pointer does', [['block', 'Draw a block'], ['add', 'Hide patches'], ['erase', 'Show patches']], () => {});
  private board = new Board('What the network sees; chosen patches are hidden. Space hides or shows a patch, Shift with the arrow keys draws a block', {
    moved: (patch, extended) => {
      if (extended) this.rectangle(patch);
      else this.anchor = patch;
      this.point(patch);
    },
    pressed: (patch) => {
      this.anchor = patch;
      this.change((hidden) => void (hidden.delete(patch) || hidden.add(patch)));
      this.point(patch);
    },
    down: (patch) => {
      this.anchor = patch;
      this.draw(patch);
    },
    dragged: (patch) => this.draw(patch),
    over: (patch) => this.point(patch),
  }, true);
  private sees = make('figure', {}, this.board.element, make('figcaption', { textContent: 'What it sees: draw here' }));
  private expects = figure('What the predictor expects');
  private target = figure('Nearest to what is there');
  private whole = figure('The image');
  private verdict = make('p', { className: 'sentence' });
  private words = make('p', { className: 'caption at' });
  private near = { predicted: make('div', { className: 'tiles five' }), target: make('div', { className: 'tiles five' }) };

  constructor(private ask: (question: Question) => void) {
    const random = make('button', { type: 'button', textContent: 'A random block' });
    random.addEventListener('click', () => this.ask({ about: 'block', number: Math.floor(Math.random() * 2 ** 32) }));
    const clear = make('button', { type: 'button', textContent: 'Clear' });
    clear.addEventListener('click', () => this.change((hidden) => hidden.clear()));
    this.element = panel(
      'mask',
      'What belongs in the hidden part?',
      'Hide a part of the image. The network sees the rest, and predicts features, not pixels, of what is hidden; shown are the patches of other images whose features come nearest. Beside it is the same for the target network, which saw the whole image.',
      'mask',
    );
    this.verdict.setAttribute('role', 'status');
    const half = (title: string, place: HTMLElement) => make('div', {}, make('h4', { textContent: title }), place);
    this.element.append(
      make('div', { className: 'line' }, this.tool.element, make('div', { className: 'buttons' }, random, clear)),
      make('div', { className: 'four' }, this.sees, this.expects.element, this.target.element, this.whole.element),
      this.verdict,
      this.words,
      make('div', { className: 'halves' }, half('Nearest to what is predicted', this.near.predicted), half('Nearest to what is there', this.near.target)),
    );
    // They are drawn in the size in which they are seen, so that the frame around what is hidden is.
    new ResizeObserver(() => this.set && this.picture()).observe(this.sees);
    // The other pictures are pointed at, too: a patch is the same one in each.
    for (const { canvas } of [this.expects, this.target, this.whole]) {
      canvas.addEventListener('pointermove', (event) => {
        if (!this.set) return;
        const { grid } = this.set.subject;
        const along = (at: number, length: number) => Math.min(grid - 1, Math.max(0, Math.floor((at / length) * grid)));
        this.point(along(event.offsetY, canvas.clientHeight) * grid + along(event.offsetX, canvas.clientWidth));
      });
    }
  }

  /** Another network or another set. What is hidden stays, where the patches are the same. */
  show(set: ImageSet, image: number) {
    const same = this.set?.subject.grid === set.subject.grid;
    this.set = set;
    this.board.shape(set.subject.grid);
    if (!same) {
      this.hidden.clear();
      this.middle();
    }
    this.choose(image);
  }

  choose(image: number) {
    const set = this.set!;
    this.image = image;
    this.guesses.clear();
    this.out = false;
    const { grid } = set.subject;
    fill(square(this.board.canvas, grid, BIG), set.image(image));
    fill(square(this.whole.canvas, grid, BIG), set.image(image));
    this.whole.canvas.setAttribute('aria-label', set.name(image));
    this.change(() => {});
  }

  hear(answer: Extract<Answer, { about: 'guesses' }>) {
    if (!this.set || answer.image !== this.image) return;
    this.out = false;
    if (this.changed) this.soon();
    else this.element.removeAttribute('aria-busy');
    this.guesses = new Map(answer.guesses.map((guess) => [guess.patch, guess]));
    this.picture();
    this.judge();
    this.showNear();
  }

  /** A block a little off the middle, so that there is something to see before anything is drawn. */
  private middle() {
    const { grid } = this.set!.subject;
    const side = Math.max(1, Math.round(grid * 0.4));
    const from = Math.floor((grid - side) / 2);
    this.block(from, from, from + side - 1, from + side - 1);
    this.pointed = from * grid + from;
  }

  private block(left: number, top: number, right: number, bottom: number) {
    const { grid } = this.set!.subject;
    this.hidden.clear();
    for (let row = top; row <= bottom; row++) for (let column = left; column <= right; column++) this.hidden.add(row * grid + column);
  }

  /** A block that was drawn as in training. */
  take(patches: Uint32Array) {
    if (!this.set) return;
    this.change((hidden) => {
      hidden.clear();
      for (const patch of patches) hidden.add(patch);
    });
    this.point(patches[0]!);
  }

  private draw(patch: number) {
    const tool = this.tool.value() as Tool;
    if (tool === 'block') this.rectangle(patch);
    else this.change((hidden) => (tool === 'add' ? void hidden.add(patch) : void hidden.delete(patch)));
    this.point(patch);
  }

  private rectangle(patch: number) {
    const { grid } = this.set!.subject;
    const columns = [this.anchor % grid, patch % grid];
    const rows = [Math.floor(this.anchor / grid), Math.floor(patch / grid)];
    this.change(() => this.block(Math.min(...columns), Math.min(...rows), Math.max(...columns), Math.max(...rows)));
  }

  /** What is hidden changes, and with it what belongs there. */
  private change(how: (hidden: Set<number>) => void) {
    if (!this.set) return;
    how(this.hidden);
    this.picture();
    this.judge();
    this.showNear();
    this.changed = true;
    this.soon();
  }

  private soon() {
    if (this.out || this.timer !== undefined) return;
    this.timer = window.setTimeout(() => {
      this.timer = undefined;
      this.changed = false;
      const { hidden, set } = this;
      if (!set || !hidden.size || hidden.size === set.patches) return this.element.removeAttribute('aria-busy');
      this.element.setAttribute('aria-busy', 'true');
      this.out = true;
      this.ask({ about: 'guesses', image: this.image, hidden: [...hidden].sort((a, b) => a - b) });
    }, TOGETHER);
  }

  /** The question that was out has no answer. */
  refused() {
    this.out = false;
    this.element.removeAttribute('aria-busy');
    if (this.changed) this.soon();
  }

  /** What was said is about this selection, and not about another one that shares patches with it. */
  private answered(): boolean {
    return this.guesses.size === this.hidden.size && [...this.hidden].every((patch) => this.guesses.has(patch));
  }

  /** The pictures: hidden patches are filled with the nearest ones of other images, as soon as they are known. */
  private picture() {
    const set = this.set!;
    const { grid, patch: pixels } = set.subject;
    const answered = this.answered();
    this.element.classList.toggle('stale', !answered);
    const agreement = (patch: number) => (answered ? this.guesses.get(patch)?.agreement : undefined);
    this.board.mark(
      (patch) => this.hidden.has(patch),
      (patch) => {
        const value = agreement(patch);
        return !this.hidden.has(patch) ? '' : value === undefined ? 'hidden' : `hidden, agreement ${two(value)}`;
      },
    );
    this.board.write((patch) => {
      const value = agreement(patch);
      return value === undefined ? '' : two(value).replace('0.', '.');
    });
    for (const [picture, which] of [[this.expects, 'predicted'], [this.target, 'target']] as const) {
      const context = square(picture.canvas, grid, picture.canvas.clientWidth * devicePixelRatio || BIG);
      fill(context, set.image(this.image));
      const cell = context.canvas.width / grid;
      for (const patch of this.hidden) {
        const [x, y] = [(patch % grid) * cell, Math.floor(patch / grid) * cell];
        const nearest = this.guesses.get(patch)?.[which][0];
        context.clearRect(x, y, cell, cell); // the panel's own ground shows until it is known
        if (!nearest) continue;
        const from = nearest.patch;
        context.globalAlpha = answered ? 1 : 0.35; // of another selection: still there, so that nothing flickers
        context.imageSmoothingEnabled = pixels > cell;
        context.drawImage(set.image(nearest.image), (from % grid) * pixels, Math.floor(from / grid) * pixels, pixels, pixels, x, y, cell, cell);
      }
      context.globalAlpha = 1;
      edge(context, grid, this.hidden);
      const what = which === 'predicted' ? 'what the predictor expects' : 'what the target network makes of it';
      picture.canvas.setAttribute('aria-label', `${set.name(this.image)}, with ${this.hidden.size} hidden patches replaced by those nearest to ${what}`);
    }
  }

  private judge() {
    const { hidden, guesses } = this;
    const all = this.set!.patches;
    let text: string;
    if (!hidden.size) text = 'Nothing is hidden. Draw over the first picture, or take a random block.';
    else if (hidden.size === all) text = 'Everything is hidden. Leave at least one patch to be seen.';
    else {
      const sum = [...guesses.values()].reduce((sum, { agreement }) => sum + agreement, 0);
      const mean = this.answered() ? two(sum / hidden.size) : '…';
      text = `${hidden.size} of ${all} patches ${hidden.size === 1 ? 'is' : 'are'} hidden. Prediction and target agree by ${mean} on average, where 1 is the same and 0 unrelated.`;
    }
    if (this.verdict.textContent !== text) this.verdict.textContent = text;
  }

  private point(patch: number) {
    if (patch === this.pointed) return;
    this.pointed = patch;
    this.showNear();
  }

  /** The nearest patches of the one that is pointed at; of the first hidden one where that is none. */
  private showNear() {
    const set = this.set!;
    const patch = this.hidden.has(this.pointed) ? this.pointed : Math.min(...this.hidden);
    const guess = this.hidden.size ? this.guesses.get(patch) : undefined;
    this.words.textContent = guess
      ? `The hidden patch at ${place(patch, set.subject.grid)}: agreement ${this.answered() ? two(guess.agreement) : '…'}. Point at another one to see its neighbours.`
      : 'Point at a hidden patch to see its neighbours.';
    const show = (where: HTMLElement, nearest: Nearest[]) =>
      tiles(where, nearest.length || 5).forEach(({ canvas, caption }, i) => {
        const one = nearest[i];
        if (!one) {
          const context = square(canvas, 1, 144);
          context.clearRect(0, 0, canvas.width, canvas.height);
        } else surroundings(canvas, set, one.image, one.patch);
        canvas.setAttribute('aria-label', one ? `${set.name(one.image)}, ${place(one.patch, set.subject.grid)}` : 'not known yet');
        caption.textContent = one ? two(one.similarity) : '–';
      });
    show(this.near.predicted, guess?.predicted ?? []);
    show(this.near.target, guess?.target ?? []);
  }
}

/** The edge of what is hidden, between hidden patches and others. */
function edge(context: CanvasRenderingContext2D, grid: number, hidden: Set<number>) {
  const { width } = context.canvas;
  const cell = width / grid;
  const thick = 2 * devicePixelRatio;
  // Where that is the image's own edge, all of the line is within it.
  const within = (at: number) => Math.min(width - thick, Math.max(thick, at));
  const path = new Path2D();
  for (const patch of hidden) {
    const [column, row] = [patch % grid, Math.floor(patch / grid)];
    const [x, y] = [column * cell, row * cell];
    const side = (outside: boolean, x1: number, y1: number, x2: number, y2: number) => {
      if (!outside) return;
      path.moveTo(within(x1), within(y1));
      path.lineTo(within(x2), within(y2));
    };
    side(row === 0 || !hidden.has(patch - grid), x, y, x + cell, y);
    side(row === grid - 1 || !hidden.has(patch + grid), x, y + cell, x + cell, y + cell);
    side(column === 0 || !hidden.has(patch - 1), x, y, x, y + cell);
    side(column === grid - 1 || !hidden.has(patch + 1), x + cell, y, x + cell, y + cell);
  }
  context.lineCap = 'square';
  context.lineWidth = 2 * thick;
  context.strokeStyle = '#000';
  context.stroke(path);
  context.lineWidth = thick;
  context.strokeStyle = '#fff';
  context.stroke(path);
}
