// Pictures of an image set: images, patch features as colours, and numbers as heat maps over an image.
import type { Subject } from 'ijepa';
import type { Opened } from './messages';

/** Viridis, which stays in order for every kind of sight, and in grey. */
const VIRIDIS = [0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725];

/** Red, green and blue of a value from 0 to 1. */
export function heat(value: number): [number, number, number] {
  const at = Math.min(1, Math.max(0, value)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const [a, b] = [VIRIDIS[low]!, VIRIDIS[low + 1]!];
  const mix = (shift: number) => ((a >> shift) & 255) + (((b >> shift) & 255) - ((a >> shift) & 255)) * (at - low);
  return [mix(16), mix(8), mix(0)];
}

/** What is looked at, as canvases that the others draw from. */
export class ImageSet {
  readonly subject: Subject;
  readonly count: number;
  readonly patches: number;
  private images = new Map<number, OffscreenCanvas>();
  private greys = new Map<number, OffscreenCanvas>();
  private features = new Map<number, OffscreenCanvas>();

  constructor(readonly opened: Opened) {
    this.subject = opened.subject;
    this.count = opened.subject.images;
    this.patches = this.subject.grid ** 2;
  }

  name(image: number): string {
    const label = this.opened.labels?.[image];
    return label ? `Image ${image + 1}: ${label}` : `Image ${image + 1}`;
  }

  image(at: number): OffscreenCanvas {
    return kept(this.images, at, () => fromBytes(this.opened.pixels, at, this.subject.crop));
  }

  /** Its light and dark alone. */
  grey(at: number): OffscreenCanvas {
    return kept(this.greys, at, () => fromBytes(this.opened.pixels, at, this.subject.crop, true));
  }

  colours(at: number): OffscreenCanvas {
    return kept(this.features, at, () => fromBytes(this.opened.colours, at, this.subject.grid));
  }
}

function kept<T>(all: Map<number, T>, at: number, create: () => T): T {
  let one = all.get(at);
  if (one === undefined) all.set(at, (one = create()));
  return one;
}

/** Pixels in three bytes each as something that a canvas can draw. */
function fromBytes(bytes: Uint8Array, at: number, side: number, grey = false): OffscreenCanvas {
  const canvas = new OffscreenCanvas(side, side);
  const image = new ImageData(side, side);
  const from = at * side * side * 3;
  for (let i = 0; i < side * side; i++) {
    const [red, green, blue] = [bytes[from + 3 * i]!, bytes[from + 3 * i + 1]!, bytes[from + 3 * i + 2]!];
    const light = 0.3 * red + 0.6 * green + 0.1 * blue;
    image.data.set(grey ? [light, light, light, 255] : [red, green, blue, 255], 4 * i);
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}

/** Makes the canvas a square of whole pixels for each patch, about `side` wide; how large it is shown is the style's to say. */
export function square(canvas: HTMLCanvasElement, grid: number, side: number): CanvasRenderingContext2D {
  const size = grid * Math.max(1, Math.ceil(side / grid));
  if (canvas.width !== size) canvas.width = canvas.height = size;
  return canvas.getContext('2d')!;
}

/** Draws an image, or its features, over the whole canvas: small ones as the squares that they are. */
export function fill(context: CanvasRenderingContext2D, source: OffscreenCanvas) {
  const side = context.canvas.width;
  context.imageSmoothingEnabled = source.width > side;
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, side, side);
}

/** A heat map over an image: the map's colours, as light and dark as the image is. */
export function overlay(context: CanvasRenderingContext2D, set: ImageSet, image: number, values: ArrayLike<number>, low: number, high: number) {
  const { grid } = set.subject;
  const side = context.canvas.width;
  const map = new ImageData(grid, grid);
  for (let i = 0; i < grid * grid; i++) {
    const [red, green, blue] = heat((values[i]! - low) / (high - low || 1));
    map.data.set([red, green, blue, 255], 4 * i);
  }
  const small = new OffscreenCanvas(grid, grid);
  small.getContext('2d')!.putImageData(map, 0, 0);
  fill(context, small);
  context.save();
  context.globalCompositeOperation = 'soft-light';
  context.globalAlpha = 0.55;
  context.imageSmoothingEnabled = set.subject.crop > side;
  context.drawImage(set.grey(image), 0, 0, side, side);
  context.restore();
}

/** An outline of one patch that shows on every ground. */
export function ring(context: CanvasRenderingContext2D, grid: number, patch: number) {
  const cell = context.canvas.width / grid;
  const width = Math.max(2, cell / 16);
  const [x, y] = [(patch % grid) * cell, Math.floor(patch / grid) * cell];
  // Within the patch, so that it is whole at the image's edge, too.
  for (const [line, inset, colour] of [[width, width / 2, '#000'], [width, 1.5 * width, '#fff']] as const) {
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.strokeRect(x + inset, y + inset, cell - 2 * inset, cell - 2 * inset);
  }
}

/** A patch with its surroundings: three patches by three, or what there is of them at an edge. */
export function surroundings(canvas: HTMLCanvasElement, set: ImageSet, image: number, patch: number) {
  const { grid, patch: pixels } = set.subject;
  const span = Math.min(3, grid);
  const context = square(canvas, span, 144);
  const first = (at: number) => Math.min(grid - span, Math.max(0, at - 1));
  const [column, row] = [patch % grid, Math.floor(patch / grid)];
  const [left, top] = [first(column), first(row)];
  const side = canvas.width;
  context.imageSmoothingEnabled = span * pixels > side;
  context.drawImage(set.image(image), left * pixels, top * pixels, span * pixels, span * pixels, 0, 0, side, side);
  ring(context, span, (row - top) * span + (column - left));
}

/** Row and column as people count. */
export const place = (patch: number, grid: number) => `row ${Math.floor(patch / grid) + 1}, column ${(patch % grid) + 1}`;
