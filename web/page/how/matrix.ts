// Tables of numbers as colours: blue below 0, orange above, the ground's own tone at 0. Blue and orange stay apart for
// colour-blind eyes.
import type { Stage } from 'ijepa';

export interface Matrix {
  rows: number;
  columns: number;
  values: Float32Array;
}

/** A tensor of the step by its name. */
export function stage(stages: Stage[], name: string): Stage {
  const found = stages.find((stage) => stage.name === name);
  if (!found) throw new Error(`the step has no ${name}`);
  return found;
}

type Colour = [number, number, number];

const LIGHT: Colour[] = [[8, 64, 129], [67, 147, 195], [247, 247, 245], [240, 148, 66], [150, 62, 4]];
const DARK: Colour[] = [[150, 205, 255], [58, 122, 184], [32, 36, 41], [196, 104, 32], [255, 190, 122]];

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The colour of a value from -1 to 1. */
export function hue(value: number): Colour {
  const stops = dark.matches ? DARK : LIGHT;
  const at = (Math.min(1, Math.max(-1, value)) + 1) * 2;
  const low = Math.min(3, Math.floor(at));
  const [a, b] = [stops[low]!, stops[low + 1]!];
  return [0, 1, 2].map((i) => a[i]! + (b[i]! - a[i]!) * (at - low)) as Colour;
}

/** What is drawn in the strongest colour: few values are larger. */
export function limit({ values }: Matrix): number {
  const sizes = values.map(Math.abs).sort();
  return sizes[Math.floor(0.99 * (sizes.length - 1))] || 1;
}

/** One pixel for each value, by way of a table: there may be many. */
export function picture({ rows, columns, values }: Matrix, most: number): OffscreenCanvas {
  const steps = 128;
  const bytes = new Uint8ClampedArray(4 * (2 * steps + 1)).fill(255);
  for (let i = 0; i <= 2 * steps; i++) bytes.set(hue(i / steps - 1), 4 * i);
  const table = new Uint32Array(bytes.buffer);
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[Math.round((Math.min(1, Math.max(-1, values[i]! / most)) + 1) * steps)]!;
  const canvas = new OffscreenCanvas(columns, rows);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}

export const row = ({ columns, values }: Matrix, at: number) => values.subarray(at * columns, (at + 1) * columns);

/** Rows `from` to `to` (without it). */
export const part = ({ columns, values }: Matrix, from: number, to: number): Matrix => ({
  rows: to - from,
  columns,
  values: values.subarray(from * columns, to * columns),
});

export function minus(a: Matrix, b: Matrix): Matrix {
  return { ...a, values: a.values.map((value, i) => value - b.values[i]!) };
}

/** How large values are on average. */
export const meanSize = (values: Float32Array) => values.reduce((sum, value) => sum + Math.abs(value), 0) / Math.max(1, values.length);

/** Each column's mean over rows. */
export function means({ rows, columns, values }: Matrix): Float32Array {
  const sums = new Float32Array(columns);
  values.forEach((value, i) => (sums[i % columns]! += value / rows));
  return sums;
}

/** Cosines of row `at` with every row, after the mean row is taken away, which all share. */
export function cosines(matrix: Matrix, at: number): number[] {
  const mean = means(matrix);
  const centred = Array.from({ length: matrix.rows }, (_, i) => row(matrix, i).map((value, c) => value - mean[c]!));
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const mine = centred[at]!;
  return centred.map((other) => dot(mine, other) / (Math.sqrt(dot(mine, mine) * dot(other, other)) || 1));
}
