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
      return lines;
    },
    [SHAPES, STEPS] as const,
  );
  for (const line of lines) console.log(JSON.stringify(line));
});
