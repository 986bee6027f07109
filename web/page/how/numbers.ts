/** A momentum and what is left of it to 1, with as many digits as it takes to tell them from 1 and 0. */
export function shares(momentum: number): { momentum: string; rest: string } {
  const rest = 1 - momentum;
  if (rest < 1e-9) return { momentum: '1', rest: '0' };
  const digits = Math.max(2, 1 - Math.floor(Math.log10(rest)));
  const short = (value: number) => value.toFixed(digits).replace(/\.?0+$/, '');
  return { momentum: short(momentum), rest: short(rest) };
}
