// Numbers in the text and in figures, without anything of the page, so that a test can hold them to the library's.
import type { Matrix } from './matrix';

/** A momentum and what is left of it to 1, with as many digits as it takes to tell them from 1 and 0. */
export function shares(momentum: number): { momentum: string; rest: string } {
  const rest = 1 - momentum;
  if (rest < 1e-9) return { momentum: '1', rest: '0' };
  const digits = Math.max(2, 1 - Math.floor(Math.log10(rest)));
  const short = (value: number) => value.toFixed(digits).replace(/\.?0+$/, '');
  return { momentum: short(momentum), rest: short(rest) };
}

/** The fixed position of every patch, as encoders add it: half of the channels for the column, half for the
 * row. The library hands this out with nothing that a figure could show; a test holds it to what the predictor gets. */
export function positions(grid: number, width: number): Matrix {
  const quarter = width / 4;
  const values = new Float32Array(grid * grid * width);
  for (let patch = 0; patch < grid * grid; patch++) {
    const places = [patch % grid, Math.floor(patch / grid)];
    for (let c = 0; c < width; c++) {
      const half = Math.floor(c / (2 * quarter));
      const within = c % (2 * quarter);
      const angle = places[half]! * 10000 ** -((within % quarter) / quarter);
      values[patch * width + c] = within < quarter ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return { rows: grid * grid, columns: width, values };
}
