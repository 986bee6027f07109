// How fast the browser's software adapter is: `make bench-web` prints it, benches/RESULTS.md keeps it. No test of speed.
import type * as Ijepa from 'ijepa';
import { openPackage } from '../tests/package';
import { firstStep, test } from '../tests/page';

const SHAPES = [
  [1024, 384, 384],
  [4096, 1152, 384],
  [2048, 64, 192],
  [2048, 256, 64],
] as const;
const STEPS = 20;

test('a first visit', async ({ page }) => {
  const { paint, step } = await firstStep(page);
  console.log(JSON.stringify({ firstContentfulPaintMs: paint, clickToFirstStepMs: step }));
});

test('speed', async ({ page, baseURL }) => {
  test.setTimeout(600_000);
  await openPackage(page, baseURL!);
  const lines = await page.evaluate(
    async ([shapes, steps]) => {
      const url = './pkg/ijepa.js';
      const { default: start, Product, Trainer, adapter } = (await import(url)) as typeof Ijepa;
      await start();
      const lines: object[] = [await adapter()];
      for (const [m, k, n] of shapes) {
        const product = await Product.create(m, k, n);
        await product.run(1);
        const gflop = (2 * m * k * n) / 1e9;
        const times = Math.max(1, Math.round(2 / gflop));
        const rates: number[] = [];
        for (let round = 0; round < 5; round++) {
          const began = performance.now();
          await product.run(times);
          rates.push((gflop * times) / ((performance.now() - began) / 1e3));
        }
        lines.push({ m, k, n, variant: product.variant, gflops: +Math.max(...rates).toFixed(2), slowest: +Math.min(...rates).toFixed(2) });
      }
      const trainer = await Trainer.create({ preset: 'demo' });
      const milliseconds: number[] = [];
      for (let i = 0; i < steps; i++) {
        const began = performance.now();
        await trainer.step();
        milliseconds.push(performance.now() - began);
      }
      const [first, ...others] = milliseconds;
      const best = Math.min(...others);
      const mean = others.reduce((sum, ms) => sum + ms, 0) / others.length;
      const { batch } = trainer.facts();
      lines.push({ preset: 'demo', firstMs: Math.round(first!), bestMs: Math.round(best), meanMs: Math.round(mean), imagesPerSecond: +((batch * 1e3) / mean).toFixed(1) });

      // Where the time of a step goes, by the GPU's own clock: by kernel, the dearest first.
      trainer.timeDispatches();
      await trainer.dispatches();
      const sums = new Map<string, { ms: number; times: number; flops: number }>();
      const timed = 3;
      for (let i = 0; i < timed; i++) await trainer.step();
      for (const { kernel, milliseconds, flops } of await trainer.dispatches()) {
        const name = kernel.replace(/ LANES=\d+/, '');
        const sum = sums.get(name) ?? { ms: 0, times: 0, flops: 0 };
        sums.set(name, { ms: sum.ms + milliseconds / timed, times: sum.times + 1 / timed, flops: sum.flops + flops / timed });
      }
      const rows = [...sums].sort(([, a], [, b]) => b.ms - a.ms);
      const all = rows.reduce((sum, [, { ms }]) => sum + ms, 0);
      lines.push({ timedMs: +all.toFixed(1) });
      for (const [kernel, { ms, times, flops }] of rows.slice(0, 24)) {
        lines.push({ share: +((100 * ms) / all).toFixed(1), ms: +ms.toFixed(2), times: Math.round(times), gflops: +(flops / ms / 1e6).toFixed(1), kernel });
      }
      return lines;
    },
    [SHAPES, STEPS] as const,
  );
  for (const line of lines) console.log(JSON.stringify(line));
});
