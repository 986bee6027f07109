// What a first visit waits for: something to see within a second, and the demo's first step within twenty.
import config from '../playwright.config';
import { availableParallelism, loadavg } from 'node:os';
import { expect, firstStep, test } from './page';

// A browser of its own: in one that other tests have used, their last work on the GPU may still be under way, and pages are
// painted there, too.
test.use({ launchOptions: { ...config.use?.launchOptions } });

test('a picture within a second, the demo’s first step within twenty', async ({ page }) => {
  const { paint, step, said } = await firstStep(page);
  console.log(`first contentful paint ${paint} ms, from the click to step 1 ${step} ms; meanwhile: ${said.join(' | ')}`);
  // Where other work has the cores, each thing takes longer by its share; `make bench-web` prints what a quiet machine takes.
  const share = Math.max(1, loadavg()[0]! / availableParallelism());
  expect(paint).toBeLessThan(1000 * share);
  expect(step).toBeLessThan(20_000 * share);
  // Whoever waits is told for what.
  const words = said.join(' | ');
  expect(words).toMatch(/Opening the GPU.*Compiling kernels for a first look.*\d+ kernels compiled\. Looking.*\d+ kernels compiled\. Compiling those of a training step.*232,896 weights/);
});
