// A patch of the image, what is like it, what it attends to, and the features as colours.
import { make } from '../make';
import { Board } from './board';
import { fill, overlay, place, ring, square, type ImageSet } from './maps';
import type { Answer, Question } from './messages';
import { choices, figure, legend, panel, percent, tiles, two } from './parts';

const BIG = 560;
const SMALL = 144;
const OTHERS = 18;
const PAIRS = 24;

type Of<About> = Extract<Answer, { about: About }>;

export class Explore {
  readonly element: HTMLElement;
  private set: ImageSet | null = null;
  private image = 0;
  private patch = 0;
  private cosines: Of<'similarity'> | null = null;
  private weights: Of<'attention'> | null = null;

  private board = new Board('Patches of the image: the arrow keys move, Space or Enter picks', { pressed: (patch) => this.pick(patch) });
  private words = make('p', { className: 'caption' });

  private alike = figure('This image');
  private alikeLegend = legend();
  private others = make('div', { className: 'tiles' });
  private order = choices('order', 'Order of the other images', [['like', 'Most alike first'], ['set', 'In order']], () => this.drawSimilarity());

  private block = choices('block', 'Block', [['0', '1']], () => this.askAttention());
  private query = choices('query', 'Attention of', [['patch', 'The picked patch'], ['mean', 'All patches']], () => this.drawAttention());
  private heads = make('div', { className: 'tiles large' });
  private headsLegend = legend();

  private colours = figure('Its features as colours');
  private pairs = make('div', { className: 'tiles pairs' });

  constructor(private ask: (question: Question) => void) {
    const left = panel('pick', 'Pick a patch', 'Click or tap a patch, or walk there with the arrow keys and press Space.', 'pick');
    left.append(this.board.element, this.words);

    const like = panel(
      'similarity',
      'What is like it',
      'The cosine between the features of the picked patch and those of every other patch, in this image and in others.',
      '',
      this.order.element,
    );
    like.append(make('div', { className: 'beside' }, make('div', {}, this.alike.element, this.alikeLegend.element), this.others));

    const attention = panel(
      'attention',
      'What it attends to',
      'Where each head of a block gathers what it mixes into the patch.',
      '',
      this.query.element,
    );
    attention.append(make('div', { className: 'line' }, make('span', { textContent: 'Block' }), this.block.element), this.heads, this.headsLegend.element);

    const colour = panel(
      'features',
      'Features as colours',
      'The three principal components of all patches of the set as red, green and blue: like colours are like features, across images too.',
      'all',
    );
    colour.append(make('div', { className: 'beside' }, this.colours.element, this.pairs));

    this.element = make('div', { className: 'explore' }, left, make('div', { className: 'stack' }, like, attention), colour);
  }

  /** Another network or another set. */
  show(set: ImageSet, image: number) {
    const before = this.set?.subject;
    this.set = set;
    const { grid, depth } = set.subject;
    this.board.shape(grid);
    if (before?.grid !== grid) this.patch = this.board.cursor;
    const blocks = Array.from({ length: depth }, (_, i): [string, string] => [String(i), String(i + 1)]);
    // The last block at first: it is the one whose features are shown.
    this.block.offer(blocks, before?.depth === depth ? this.block.value() : String(depth - 1));
    tiles(this.pairs, Math.min(PAIRS, set.count)).forEach(({ canvas, caption }, i) => {
      drawPair(canvas, set, i);
      canvas.setAttribute('aria-label', `${set.name(i)}, and its features as colours`);
      caption.textContent = '';
    });
    this.choose(image);
  }

  choose(image: number) {
    const set = this.set!;
    this.image = image;
    this.cosines = this.weights = null;
    fill(square(this.board.canvas, set.subject.grid, BIG), set.image(image));
    fill(square(this.colours.canvas, set.subject.grid, BIG), set.colours(image));
    this.colours.canvas.setAttribute('aria-label', `${set.name(image)}: its features as colours`);
    this.pick(this.patch);
    this.askAttention();
  }

  private pick(patch: number) {
    const set = this.set;
    if (!set) return;
    this.patch = patch;
    this.board.put(patch);
    this.board.mark((one) => one === patch);
    this.words.textContent = `${set.name(this.image)}. Picked: ${place(patch, set.subject.grid)}.`;
    this.ask({ about: 'similarity', image: this.image, patch });
    if (this.weights) this.drawAttention();
  }

  private askAttention() {
    this.ask({ about: 'attention', image: this.image, block: Number(this.block.value()) });
  }

  hear(answer: Of<'similarity'> | Of<'attention'>) {
    if (!this.set || answer.image !== this.image) return;
    if (answer.about === 'similarity') {
      this.cosines = answer;
      this.drawSimilarity();
    } else {
      this.weights = answer;
      this.drawAttention();
    }
  }

  private drawSimilarity() {
    const [set, found] = [this.set, this.cosines];
    if (!set || !found) return;
    const { patches } = set;
    const of = (image: number) => found.cosines.subarray(image * patches, (image + 1) * patches);
    const low = found.cosines.reduce((least, value) => Math.min(least, value), 1);
    this.alikeLegend.set(two(low), two(1));

    const context = square(this.alike.canvas, set.subject.grid, BIG);
    overlay(context, set, found.image, of(found.image), low, 1);
    ring(context, set.subject.grid, found.patch);
    this.alike.canvas.setAttribute('aria-label', `${set.name(found.image)}: how like ${place(found.patch, set.subject.grid)} each patch is`);

    const most = Array.from({ length: set.count }, (_, image) => of(image).reduce((best, value) => Math.max(best, value), -1));
    let images = most.map((_, image) => image).filter((image) => image !== found.image);
    if (this.order.value() === 'like') images.sort((a, b) => most[b]! - most[a]!);
    images = images.slice(0, OTHERS);
    tiles(this.others, images.length).forEach(({ canvas, caption }, i) => {
      const image = images[i]!;
      overlay(square(canvas, set.subject.grid, SMALL), set, image, of(image), low, 1);
      canvas.setAttribute('aria-label', `${set.name(image)}: its most alike patch has ${two(most[image]!)}`);
      caption.textContent = two(most[image]!);
    });
  }

  private drawAttention() {
    const [set, found] = [this.set, this.weights];
    if (!set || !found) return;
    const { patches } = set;
    const { grid, heads } = set.subject;
    const picked = this.query.value() === 'patch';
    // Of one query, or of all of them on average.
    const row = (head: number) => {
      const all = found.weights.subarray(head * patches * patches, (head + 1) * patches * patches);
      if (picked) return all.subarray(this.patch * patches, (this.patch + 1) * patches);
      const mean = new Float32Array(patches);
      for (let i = 0; i < all.length; i++) mean[i % patches]! += all[i]! / patches;
      return mean;
    };
    const rows = Array.from({ length: heads }, (_, head) => row(head));
    const together = new Float32Array(patches);
    for (const one of rows) one.forEach((value, i) => (together[i]! += value / heads));
    const maps: [string, Float32Array][] = rows.map((one, head) => [`Head ${head + 1}`, one]);
    if (heads > 1) maps.unshift(['All heads', together]);
    const high = maps.reduce((most, [, one]) => one.reduce((a, b) => Math.max(a, b), most), 0);
    this.headsLegend.set('0 %', `${percent(high)}, where an even spread is ${percent(1 / patches)}`);
    tiles(this.heads, maps.length).forEach(({ canvas, caption }, i) => {
      const [name, one] = maps[i]!;
      const context = square(canvas, grid, 280);
      overlay(context, set, found.image, one, 0, high);
      if (picked) ring(context, grid, this.patch);
      const best = one.reduce((best, value, at) => (value > one[best]! ? at : best), 0);
      canvas.setAttribute('aria-label', `Block ${found.block + 1}, ${name}: most attention goes to ${place(best, grid)}, ${percent(one[best]!)}`);
      caption.textContent = name;
    });
  }
}

/** An image, and below it its features. */
function drawPair(canvas: HTMLCanvasElement, set: ImageSet, image: number) {
  const side = set.subject.grid * Math.ceil(SMALL / set.subject.grid);
  if (canvas.width !== side) Object.assign(canvas, { width: side, height: 2 * side });
  const context = canvas.getContext('2d')!;
  for (const [i, source] of [set.image(image), set.colours(image)].entries()) {
    context.imageSmoothingEnabled = source.width > side;
    context.drawImage(source, 0, i * side, side, side);
  }
}
