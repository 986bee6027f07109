// The two panels of images: a batch with its masks, and features as colours. Each is one canvas.
import type { Facts } from 'ijepa';
import type { BatchView, Colours } from './messages';

export const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Pixels in three bytes each as something that a canvas can draw. */
export function tile(bytes: Uint8Array, at: number, side: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(side, side);
  const image = new ImageData(side, side);
  const from = at * side * side * 3;
  for (let i = 0; i < side * side; i++) {
    image.data[4 * i] = bytes[from + 3 * i]!;
    image.data[4 * i + 1] = bytes[from + 3 * i + 1]!;
    image.data[4 * i + 2] = bytes[from + 3 * i + 2]!;
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}

/** Gives the canvas the pixels that the screen has for it, `height` (in CSS pixels) high for a width. */
function fit(canvas: HTMLCanvasElement, height: (width: number) => number) {
  const width = Math.max(200, canvas.parentElement!.clientWidth);
  const scale = Math.min(2, devicePixelRatio || 1);
  const high = Math.round(height(width));
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(high * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(high * scale);
    canvas.style.height = `${high}px`;
  }
  const context = canvas.getContext('2d')!;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, high);
  return { context, width };
}

/** A canvas that draws the last thing again when its place or the colours change. */
abstract class Drawing<What extends unknown[]> {
  protected last: What | null = null;

  constructor(protected canvas: HTMLCanvasElement) {
    new ResizeObserver(() => this.redraw()).observe(canvas.parentElement!);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.redraw());
  }

  redraw() {
    if (this.last) this.draw(...this.last);
  }

  clear() {
    this.last = null;
    this.canvas.hidden = true;
  }

  abstract draw(...what: What): void;
}

export class BatchDrawing extends Drawing<[BatchView, Facts]> {
  draw(batch: BatchView, facts: Facts) {
    this.last = [batch, facts];
    const { canvas } = this;
    canvas.hidden = false;
    const columns = batch.count <= 4 ? Math.min(batch.count, 2) : 4; // few are larger
    const rows = Math.ceil(batch.count / columns);
    const gap = 10;
    const sideOf = (width: number) => Math.min(240, (width - gap * (columns - 1)) / columns);
    const { context, width } = fit(canvas, (width) => rows * (sideOf(width) + gap) - gap);
    const patches = facts.grid;
    // Whole pixels for a patch: outlines then lie on the images' own edges.
    const cell = Math.floor(sideOf(width) / patches);
    const side = cell * patches;
    const hues = [1, 2, 3, 4].map((i) => colour(`--block-${i}`));
    const veil = colour('--veil');
    for (let image = 0; image < batch.count; image++) {
      const x = Math.round((image % columns) * (sideOf(width) + gap));
      const y = Math.round(Math.floor(image / columns) * (side + gap));
      context.imageSmoothingEnabled = facts.crop > side;
      context.drawImage(tile(batch.pixels, image, facts.crop), x, y, side, side);
      const seen = new Set(batch.context[image]);
      context.fillStyle = veil;
      for (let patch = 0; patch < patches * patches; patch++) {
        if (!seen.has(patch)) context.fillRect(x + (patch % patches) * cell, y + Math.floor(patch / patches) * cell, cell, cell);
      }
      batch.targets[image]!.forEach((block, i) => outline(context, block, patches, cell, x, y, hues[i % hues.length]!, i));
    }
    const blocks = batch.targets[0]?.length ?? 0;
    canvas.setAttribute('aria-label', `${batch.count} images of the batch, each with its context and ${blocks} target blocks drawn over it`);
  }
}

/** The edge of a block of patches, a little inside, so that neighbouring blocks both show. */
export function outline(context: CanvasRenderingContext2D, block: number[], grid: number, cell: number, x: number, y: number, hue: string, i: number) {
  if (!block.length) return;
  const columns = block.map((patch) => patch % grid);
  const rows = block.map((patch) => Math.floor(patch / grid));
  const [left, top] = [Math.min(...columns), Math.min(...rows)];
  const [right, bottom] = [Math.max(...columns) + 1, Math.max(...rows) + 1];
  const inset = 1 + (i % 2) * 2;
  context.strokeStyle = hue;
  context.lineWidth = 2;
  context.strokeRect(x + left * cell + inset, y + top * cell + inset, (right - left) * cell - 2 * inset, (bottom - top) * cell - 2 * inset);
}

export class ColoursDrawing extends Drawing<[Uint8Array, Colours | null, Facts]> {
  draw(examples: Uint8Array, colours: Colours | null, facts: Facts) {
    this.last = [examples, colours, facts];
    const { canvas } = this;
    canvas.hidden = false;
    const count = examples.length / (3 * facts.crop * facts.crop);
    const [gap, label] = [8, 20];
    const sideOf = (width: number) => Math.floor((width - gap * (count - 1)) / Math.max(count, 4));
    const rows: [string, Uint8Array | undefined, number][] = [
      ['image', examples, facts.crop],
      ['untrained', colours?.untrained, facts.grid],
      [colours && colours.step ? `step ${colours.step}` : 'now', colours?.now, facts.grid],
    ];
    const { context, width } = fit(canvas, (width) => rows.length * (sideOf(width) + label + gap) - gap);
    const side = sideOf(width);
    context.font = '12px system-ui, sans-serif';
    context.fillStyle = colour('--quiet');
    rows.forEach(([name, bytes, size], row) => {
      const y = row * (side + label + gap);
      context.fillText(name, 0, y + 13);
      if (!bytes) return;
      for (let image = 0; image < count; image++) {
        // Features are shown patch by patch, images as smooth as they are.
        context.imageSmoothingEnabled = row === 0 && size > side;
        context.drawImage(tile(bytes, image, size), image * (side + gap), y + label, side, side);
      }
    });
    canvas.setAttribute('aria-label', `${count} fixed images; below each its patch features as colours, untrained and after step ${colours?.step ?? 0}`);
  }
}

/** A panel as a PNG, on its ground. */
export async function png(canvas: HTMLCanvasElement): Promise<Blob | null> {
  const copy = new OffscreenCanvas(canvas.width + 32, canvas.height + 32);
  const context = copy.getContext('2d')!;
  context.fillStyle = colour('--panel');
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 16, 16);
  return copy.convertToBlob({ type: 'image/png' });
}
