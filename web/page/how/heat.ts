// A tensor as a map of colours, tokens by channels, beside the image whose patches they are. Pointing at a row, or moving
// with the arrow keys, shows which patch it belongs to.
import { colour, outline, tile } from '../drawings';
import { make } from '../make';
import { limit, picture, row, type Matrix } from './matrix';
import type { Walk } from './walk';

/** One map of a group: all maps of a group have the same rows. */
export interface Map {
  name: string;
  /** [B, N, D], and the same in numbers. */
  letters: string;
  shape: number[];
  what: string;
  matrix: Matrix;
  /** What is drawn in the strongest colour. */
  most?: number;
}

/** What a row is. */
export interface Row {
  patch: number;
  /** Its target block; null: none. */
  block: number | null;
}

export interface Rows {
  rows: Row[];
  /** A gap before this row. */
  split?: number;
  /** What the image beside shows: all of it, or the context alone. */
  veiled: boolean;
  /** Blocks that are outlined in it. */
  blocks: number[];
  /** A word more on a row. */
  more?: (row: number) => string;
}

const GUTTER = 10;
const GAP = 8;
/** Room above the first row and below the last, for the frame. */
const EDGE = 7;
export const signed = (value: number) => value.toFixed(2).replace('-', '−');
export const blockColour = (block: number) => colour(`--block-${(block % 4) + 1}`);

/** Gives a canvas its size in CSS pixels, and says how many of its own one of them is. */
export function size(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const scale = Math.min(3, Math.max(1, devicePixelRatio || 1));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d')!;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

/** One image of the batch on a square: veiled outside the patches `seen`, with blocks outlined and a patch marked. */
export function image(canvas: HTMLCanvasElement, walk: Walk, at: number, side: number, seen: number[] | null, blocks: number[], chosen = -1) {
  const { crop, grid } = walk.facts;
  const cell = Math.max(1, Math.floor(side / grid));
  const context = size(canvas, cell * grid, cell * grid);
  context.imageSmoothingEnabled = crop > cell * grid;
  context.drawImage(tile(walk.batch.pixels, at, crop), 0, 0, cell * grid, cell * grid);
  if (seen) {
    const shown = new Set(seen);
    context.fillStyle = colour('--veil');
    for (let patch = 0; patch < grid * grid; patch++) {
      if (!shown.has(patch)) context.fillRect((patch % grid) * cell, Math.floor(patch / grid) * cell, cell, cell);
    }
  }
  for (const block of blocks) outline(context, walk.batch.targets[at]![block] ?? [], grid, cell, 0, 0, blockColour(block), block);
  if (chosen >= 0) mark(context, (chosen % grid) * cell, Math.floor(chosen / grid) * cell, cell, cell);
}

/** A frame that is seen on every ground. */
export function mark(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number) {
  for (const [style, line] of [['#fff', 3.5], ['#111', 1.5]] as const) {
    context.strokeStyle = style;
    context.lineWidth = line;
    context.strokeRect(x, y, width, height);
  }
}

export class Heat {
  readonly element = make('div', { className: 'heat' });
  private thumb = make('canvas', { ariaHidden: 'true' });
  private words = make('p', { className: 'reading' });
  private place = make('div', { className: 'maps' });
  private canvases: HTMLCanvasElement[] = [];
  private pictures: OffscreenCanvas[] = [];
  private walk: Walk | null = null;
  private maps: Map[] = [];
  private rows: Rows = { rows: [], veiled: false, blocks: [] };
  private at = 0;
  private channel = 0;
  private active = 0;

  constructor(
    private budget = 256,
    /** Hears which row is pointed at. */
    private chosen: (row: number) => void = () => {},
  ) {
    this.element.append(make('div', { className: 'side' }, this.thumb, this.words), this.place);
  }

  show(walk: Walk, maps: Map[], rows: Rows) {
    if (this.canvases.length !== maps.length) this.build(maps);
    Object.assign(this, { walk, maps, rows });
    this.at = Math.min(this.at, rows.rows.length - 1);
    this.pictures = maps.map((map) => picture(map.matrix, (map.most ??= limit(map.matrix))));
    [...this.place.children].forEach((box, i) => {
      const { name, letters, shape, what, most } = maps[i]!;
      const [title, scale] = box.querySelectorAll('.shape, .scale');
      title!.replaceChildren(make('code', {}, name), ` ${letters} = `, make('b', {}, `[${shape.join(', ')}]`), ': ', make('span', { className: 'what' }, what));
      scale!.replaceChildren(signed(-most!), make('i', { className: 'ramp' }), signed(most!));
    });
    this.draw();
  }

  private build(maps: Map[]) {
    this.canvases = maps.map(() => make('canvas', { tabIndex: 0, role: 'slider', ariaValueMin: '1' }));
    this.canvases.forEach((canvas, i) => {
      const point = (event: PointerEvent) => this.point(i, event.offsetX, event.offsetY);
      canvas.addEventListener('pointermove', point);
      canvas.addEventListener('pointerdown', point);
      canvas.addEventListener('keydown', (event) => this.key(i, event));
      canvas.addEventListener('focus', () => this.choose(i, this.at, this.channel));
    });
    this.place.replaceChildren(
      ...this.canvases.map((canvas) =>
        make('div', {}, make('p', { className: 'label' }, make('span', { className: 'shape' }), make('span', { className: 'scale' })), canvas),
      ),
    );
  }

  /** The height of a row in CSS pixels. */
  private get high() {
    return Math.max(2, Math.min(10, Math.floor(this.budget / Math.max(1, this.rows.rows.length))));
  }

  private top(at: number) {
    return EDGE + at * this.high + (this.rows.split !== undefined && at >= this.rows.split ? GAP : 0);
  }

  private draw() {
    if (!this.walk || !this.place.clientWidth) return;
    this.canvases.forEach((_, i) => this.drawMap(i));
    this.tell();
  }

  private drawMap(i: number) {
    const { rows, split = 0 } = this.rows;
    const map = this.maps[i]!;
    const width = this.place.clientWidth;
    const high = this.high;
    const context = size(this.canvases[i]!, width, this.top(rows.length - 1) + high + EDGE);
    context.imageSmoothingEnabled = map.matrix.columns > width;
    for (const [from, to] of [[0, split], [split, rows.length]] as const) {
      if (to > from) context.drawImage(this.pictures[i]!, 0, from, map.matrix.columns, to - from, GUTTER, this.top(from), width - GUTTER, (to - from) * high);
    }
    const [plain, hues] = [colour('--quiet'), [0, 1, 2, 3].map(blockColour)];
    rows.forEach(({ block }, at) => {
      context.fillStyle = block === null ? plain : hues[block % 4]!;
      context.globalAlpha = block === null ? 0.4 : 1;
      context.fillRect(0, this.top(at), 5, high - (high > 4 ? 1 : 0));
    });
    context.globalAlpha = 1;
    // Around the row, so that its colours are still seen.
    const top = this.top(this.at);
    mark(context, GUTTER - 2, top - 2, width - GUTTER, high + 4);
    if (i !== this.active) return;
    const wide = (width - GUTTER) / map.matrix.columns;
    context.fillStyle = colour('--ink');
    for (const y of [top - 7, top + high + 3]) context.fillRect(GUTTER + (this.channel + 0.5) * wide - 1, y, 2, 4);
  }

  private tell() {
    const { walk, rows, at } = this;
    this.chosen(at);
    const { patch, block } = rows.rows[at]!;
    const { grid } = walk!.facts;
    const side = this.thumb.parentElement!.clientWidth > 260 ? 112 : 144;
    image(this.thumb, walk!, walk!.image, side, rows.veiled ? walk!.batch.context[walk!.image]! : null, rows.blocks, patch);
    const where = `Patch ${patch}${block === null ? '' : ` of block ${block + 1}`}`;
    const place = `row ${Math.floor(patch / grid) + 1}, column ${(patch % grid) + 1}`;
    const { matrix, name } = this.maps[this.active]!;
    const value = signed(row(matrix, at)[this.channel] ?? 0);
    const more = rows.more?.(at) ?? '';
    this.words.replaceChildren(make('b', {}, where), make('br'), place, make('br'), `${name}, number ${this.channel + 1}: `, make('b', {}, value));
    if (more) this.words.append(make('br'), more);
    this.canvases.forEach((canvas, i) => {
      const map = this.maps[i]!;
      canvas.ariaLabel = `${map.name}, ${map.letters}, ${map.shape.join(' by ')}: ${map.what}. One row for each patch of the image that is followed`;
      canvas.ariaValueMax = String(rows.rows.length);
      canvas.ariaValueNow = String(at + 1);
      const values = row(map.matrix, at);
      const range = `from ${signed(Math.min(...values))} to ${signed(Math.max(...values))}`;
      canvas.ariaValueText = `${where}, ${place}; number ${this.channel + 1} is ${signed(values[this.channel] ?? 0)}; ${range}. ${more}`;
    });
  }

  private choose(map: number, at: number, channel: number) {
    if (!this.walk) return;
    this.active = map;
    this.at = Math.min(this.rows.rows.length - 1, Math.max(0, at));
    this.channel = Math.min(this.maps[map]!.matrix.columns - 1, Math.max(0, channel));
    this.draw();
  }

  private point(map: number, x: number, y: number) {
    const at = this.rows.rows.findIndex((_, i) => y < this.top(i) + this.high);
    const wide = (this.place.clientWidth - GUTTER) / this.maps[map]!.matrix.columns;
    this.choose(map, at < 0 ? this.rows.rows.length - 1 : at, Math.floor((x - GUTTER) / wide));
  }

  private key(map: number, event: KeyboardEvent) {
    const move: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      PageUp: [-8, 0],
      PageDown: [8, 0],
      Home: [-Infinity, 0],
      End: [Infinity, 0],
    };
    const [down, right] = move[event.key] ?? [0, 0];
    if (!down && !right) return;
    event.preventDefault();
    this.choose(map, this.at + down, this.channel + right);
  }
}
