// What a first visit waits for: something to see within a second, and the demo's first step within twenty.
import { expect, firstStep, test } from './page';

test('a picture within a second, the demo’s first step within twenty', async ({ page }) => {
  const { paint, step, said } = await firstStep(page);
  console.log(`first contentful paint ${paint} ms, from the click to step 1 ${step} ms; meanwhile: ${said.join(' | ')}`);
  expect(paint).toBeLessThan(1000);
  expect(step).toBeLessThan(20_000);
  // Whoever waits is told for what.
  expect(said.some((text) => /^Compiling kernels/.test(text)), said.join(' | ')).toBe(true);
});
