// Figures that are no maps: the image cut apart, masks, how slowly the target follows, what is alike, the traced lines.
import { tile } from '../drawings';
import { make } from '../make';
import type { Figure, Scene, Wishes } from './figures';
import { image, mark, signed, size } from './heat';
import { cosines, hue, row, stage } from './matrix';
import { shares } from './numbers';
import { SECTIONS } from './text';
import type { Walk } from './walk';

const named = (canvas: HTMLCanvasElement, words: string) => make('div', { className: 'named' }, canvas, make('span', {}, words));

/** The image cut apart, and one of its patches: as it looks, and as three tables of numbers. */
export class Pixels {
  private cut = make('canvas', { role: 'img' });
  private names = ['', 'its red', 'its green', 'its blue'].map((name) => make('span', {}, name));
  private patch = this.names.map(() => make('canvas', { ariaHidden: 'true' }));
  readonly element = make(
    'div',
    { className: 'row' },
    make('div', { className: 'named' }, this.cut, make('span', {}, 'the image, cut apart')),
    make('div', { className: 'row planes' }, ...this.patch.map((canvas, i) => make('div', { className: 'named' }, canvas, this.names[i]!))),
  );
  private walk: Walk | null = null;
  private at = 0;

  show(walk: Walk) {
    this.walk = walk;
    this.draw();
  }

  choose(at: number) {
    this.at = at;
    this.draw();
  }

  private draw() {
    const { walk, at } = this;
    if (!walk) return;
    const { crop, grid, patch } = walk.facts;
    const step = Math.max(4, Math.floor(Math.min(200, this.element.clientWidth) / grid));
    const context = size(this.cut, step * grid, step * grid);
    const picture = tile(walk.batch.pixels, walk.image, crop);
    const place = (i: number, side: number) => [(i % grid) * side, Math.floor(i / grid) * side] as const;
    context.imageSmoothingEnabled = patch > step;
    for (let i = 0; i < grid * grid; i++) {
      context.drawImage(picture, ...place(i, patch), patch, patch, ...place(i, step), step - 2, step - 2);
    }
    const [x, y] = place(at, step);
    mark(context, x, y, step - 2, step - 2);
    this.cut.ariaLabel = `Image ${walk.image + 1} of the batch, cut into ${grid} by ${grid} patches`;

    const values = row(stage(walk.stages, 'patches'), at);
    const cell = Math.max(1, Math.floor(Math.min(88, (this.element.clientWidth - 48) / 4) / patch));
    this.patch.forEach((canvas, i) => {
      const context = size(canvas, cell * patch, cell * patch);
      context.imageSmoothingEnabled = false;
      if (i === 0) return context.drawImage(picture, ...place(at, patch), patch, patch, 0, 0, cell * patch, cell * patch);
      for (let pixel = 0; pixel < patch * patch; pixel++) {
        context.fillStyle = `rgb(${hue(values[(i - 1) * patch * patch + pixel]! / 2.4).join(' ')})`;
        context.fillRect((pixel % patch) * cell, Math.floor(pixel / patch) * cell, cell, cell);
      }
    });
    this.names[0]!.textContent = `patch ${at}`;
  }
}

/** Context and target blocks of one image, and all images of the batch to choose from. */
export class Masks implements Figure {
  private row = make('div', { className: 'row masks' });
  private strip = make('div', { className: 'strip', role: 'group', ariaLabel: 'Images of the batch' });
  readonly elements = [this.row, this.strip];
  readonly caption = 'The image that is followed, its context, and its target blocks one by one; veiled patches are hidden. Below: the batch. Choose another image, and all figures follow it.';
  private walk: Walk | null = null;

  constructor(private wishes: Wishes) {}

  show({ walk }: Scene) {
    this.walk = walk;
    this.draw();
  }

  private draw() {
    const { walk } = this;
    if (!walk) return;
    const targets = walk.batch.targets[walk.image]!;
    const context = walk.batch.context[walk.image]!;
    const lists: [string, number[] | null, number[]][] = [
      ['image', null, []],
      [`context: ${context.length} patches`, context, []],
      ...targets.map((block, i): [string, number[], number[]] => [`block ${i + 1}: ${block.length} patches`, block, [i]]),
    ];
    if (this.row.childElementCount !== lists.length) {
      this.row.replaceChildren(...lists.map(() => named(make('canvas', { role: 'img' }), '')));
    }
    const columns = this.row.clientWidth < 560 ? 3 : lists.length;
    this.row.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const side = Math.min(160, Math.floor((this.row.clientWidth - 12 * (columns - 1)) / columns));
    lists.forEach(([words, seen, blocks], i) => {
      const [canvas, name] = this.row.children[i]!.children as unknown as [HTMLCanvasElement, HTMLElement];
      image(canvas, walk, walk.image, side, seen, blocks);
      name.textContent = words;
      canvas.ariaLabel = seen ? `${words}, numbers ${seen.join(', ')}` : `Image ${walk.image + 1} of the batch`;
    });
    this.drawStrip(walk);
  }

  private drawStrip(walk: Walk) {
    const { count } = walk.batch;
    if (this.strip.childElementCount !== count) {
      this.strip.replaceChildren(
        ...Array.from({ length: count }, (_, at) => {
          const button = make('button', { type: 'button', ariaLabel: `Image ${at + 1}` }, make('canvas', { ariaHidden: 'true' }));
          button.addEventListener('click', () => this.wishes.image(at));
          return button;
        }),
      );
    }
    // Large enough for a finger.
    const columns = this.strip.clientWidth < 480 ? Math.min(4, count) : count;
    const side = Math.min(72, Math.floor((this.strip.clientWidth - 4 * (columns - 1)) / columns) - 8);
    [...this.strip.children].forEach((button, at) => {
      image(button.firstChild as HTMLCanvasElement, walk, at, side, walk.batch.context[at]!, walk.batch.targets[at]!.map((_, i) => i));
      button.setAttribute('aria-pressed', String(at === walk.image));
    });
  }
}

/** How much of the target is still what it was, some steps later. */
export class Follow implements Figure {
  private slider = make('input', { type: 'range', id: 'how-steps', min: '0', max: '300', value: '50' });
  private old = make('div', { className: 'old' });
  private words = make('output', { htmlFor: 'how-steps' });
  readonly elements = [
    make('div', { className: 'follow' }, make('label', { htmlFor: 'how-steps' }, 'Steps later'), this.slider, make('div', { className: 'bar', ariaHidden: 'true' }, this.old), this.words),
  ];
  readonly caption = 'Of what the target encoder is now, so much is left after some more steps (coloured); the rest comes from the context encoder as it became meanwhile. At this step’s momentum.';
  readonly always = true;
  private momentum = 0.98;

  constructor() {
    this.slider.addEventListener('input', () => this.draw());
    this.draw();
  }

  show({ walk }: Scene) {
    this.momentum = walk.step.momentum;
    this.draw();
  }

  private draw() {
    const steps = Number(this.slider.value);
    const left = this.momentum ** steps;
    this.old.style.width = `${100 * left}%`;
    const percent = `${(100 * left).toFixed(left > 0.1 || left === 0 ? 0 : 1)} %`;
    this.words.textContent = `After ${steps} steps ${percent} of the target encoder is what it was (${shares(this.momentum).momentum} to the power of ${steps}).`;
    this.slider.setAttribute('aria-valuetext', `${steps} steps later, ${percent} is left`);
  }
}

/** Which patches of the image have features like those of a chosen one. */
export class Similar implements Figure {
  private whole = make('canvas', { ariaHidden: 'true' });
  private map = make('canvas', { tabIndex: 0, role: 'slider', ariaValueMin: '0' });
  private words = make('p', { className: 'reading' });
  readonly elements = [make('div', { className: 'row' }, named(this.whole, 'the image'), named(this.map, 'how alike'), this.words)];
  readonly caption = 'Likeness of features (cosine, after their mean is taken away): orange alike, blue the opposite. From target_encoder_out, section 3.';
  private walk: Walk | null = null;
  private cell = 1;
  private at = -1;

  constructor() {
    const point = (event: PointerEvent) => {
      const grid = this.walk?.facts.grid ?? 1;
      const within = (place: number) => Math.min(grid - 1, Math.max(0, Math.floor(place / this.cell)));
      this.choose(within(event.offsetY) * grid + within(event.offsetX));
    };
    for (const canvas of [this.whole, this.map]) {
      canvas.addEventListener('pointerdown', point);
      canvas.addEventListener('pointermove', point);
    }
    this.map.addEventListener('keydown', (event) => {
      const grid = this.walk?.facts.grid ?? 1;
      const move: Record<string, number> = { ArrowUp: -grid, ArrowDown: grid, ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
      const by = move[event.key];
      if (by === undefined) return;
      event.preventDefault();
      const to = Math.min(grid * grid - 1, Math.max(0, this.at + by));
      if (Math.abs(by) !== grid || this.at + by === to) this.choose(to);
    });
  }

  private choose(at: number) {
    this.at = at;
    this.draw();
  }

  show({ walk }: Scene) {
    this.walk = walk;
    // To begin with, a patch in the middle.
    if (this.at < 0 || this.at >= walk.facts.grid ** 2) this.at = Math.floor((walk.facts.grid * (walk.facts.grid + 1)) / 2);
    this.draw();
  }

  private draw() {
    const { walk, at } = this;
    if (!walk) return;
    const { grid } = walk.facts;
    const room = this.whole.parentElement!.parentElement!.clientWidth;
    const side = Math.max(96, Math.min(200, Math.floor((room - 16) / 2)));
    image(this.whole, walk, walk.image, side, null, [], at);
    const cell = (this.cell = Math.max(1, Math.floor(side / grid)));
    const like = cosines(stage(walk.stages, 'target_encoder_out'), at);
    const context = size(this.map, cell * grid, cell * grid);
    like.forEach((value, i) => {
      context.fillStyle = `rgb(${hue(value).join(' ')})`;
      context.fillRect((i % grid) * cell, Math.floor(i / grid) * cell, cell, cell);
    });
    mark(context, (at % grid) * cell, Math.floor(at / grid) * cell, cell, cell);
    const order = like.map((_, i) => i).filter((i) => i !== at).sort((a, b) => like[b]! - like[a]!);
    const best = order.slice(0, 3).map((i) => `${i} (${signed(like[i]!)})`).join(', ');
    this.words.replaceChildren(make('b', {}, `Patch ${at}`), make('br'), `most alike: patches ${best}`);
    this.map.ariaLabel = 'Likeness of all patches to the chosen one; the arrow keys choose';
    this.map.ariaValueMax = String(grid * grid - 1);
    this.map.ariaValueNow = String(at);
    this.map.ariaValueText = `Patch ${at}, row ${Math.floor(at / grid) + 1}, column ${(at % grid) + 1}; most alike: patches ${best}`;
  }
}

/** The lines of `ijepa trace`, each with its section. */
export class Trace implements Figure {
  private list = make('ol', { className: 'trace' });
  readonly elements = [make('details', {}, make('summary', {}, 'Show the lines'), this.list)];
  readonly caption = '';
  private shown = '';

  show({ walk: { trace } }: Scene) {
    if (trace === this.shown) return;
    this.shown = trace;
    const groups: [id: string, lines: string[]][] = [];
    let section = 'how-patches';
    for (const line of trace.trim().split('\n')) {
      if (line.startsWith('masks_enc')) section = 'how-masks';
      if (line.includes('forward_target')) section = 'how-targets';
      if (line.includes('forward_context')) section = 'how-context';
      if (line.includes('predictor start')) section = 'how-predictor';
      if (groups.at(-1)?.[0] !== section) groups.push([section, []]);
      groups.at(-1)![1].push(line);
    }
    const items = groups.map(([id, lines]) => {
      const number = SECTIONS.findIndex((one) => one.id === id);
      return make('li', {}, make('a', { href: `#${id}` }, `${number} ${SECTIONS[number]!.title}`), make('pre', { tabIndex: 0 }, lines.join('\n').replace(/-{4,}/g, '---')));
    });
    this.list.replaceChildren(...items);
  }
}
