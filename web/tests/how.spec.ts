// How it works: the text, with figures made from a real step.
import type { Page } from '@playwright/test';
import { positions, shares } from '../page/how/numbers';
import { openPackage } from './package';
import { barriers, beginSmall, everyWidth, expect, noteDevices, pause, reach, shot, takeDevice, test } from './page';

const figure = (page: Page, name: string) => page.locator(`[data-figure=${name}]`);
/** The whole page, its bar at its place instead of wherever the screen ends. */
async function picture(page: Page, name: string) {
  await page.evaluate(() => new Promise((done) => setTimeout(done, 400)));
  await shot(page, name);
}

/** Different colours in each canvas of a figure. */
const colours = (page: Page, name: string) =>
  figure(page, name).locator('canvas').evaluateAll((canvases) =>
    (canvases as HTMLCanvasElement[]).map((canvas) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    }),
  );

const filled = (page: Page) => expect(page.locator('.article')).toHaveAttribute('data-figures', 'ready', { timeout: 60_000 });

test('figures fill with a step of a small network, and go along with the next', async ({ page }) => {
  test.setTimeout(240_000);
  await page.goto('.');
  await page.getByRole('link', { name: 'How it works' }).click();
  await filled(page);
  for (const name of ['patches', 'masks', 'targets', 'positions', 'context', 'predictor', 'loss', 'similar']) {
    // Figures come one in a frame.
    await expect.poll(async () => Math.min(...(await colours(page, name))), { message: `colours in ${name}` }).toBeGreaterThan(5);
  }
  // The demo's sizes: 8 x 8 patches of 4 x 4 pixels, 64 channels, a predictor of 32, four target blocks; batches of 8.
  const shapes = async (name: string) => figure(page, name).locator('.shape').allTextContents();
  await expect.poll(() => shapes('loss')).toHaveLength(3);
  expect(await shapes('patches')).toEqual(['patches [B, N, 3p²] = [8, 64, 48]: the pixels of all patches']);
  const [encoded, targets] = await shapes('targets');
  expect(encoded).toContain('[B, N, D] = [8, 64, 64]');
  const kept = Number(/\[32, (\d+), 64\]/.exec(targets!)?.[1]);
  expect(kept).toBeGreaterThan(4);
  const seen = Number(/\[8, (\d+), 48\]/.exec((await shapes('context'))[0]!)?.[1]);
  expect(seen).toBeGreaterThan(12);
  expect((await shapes('predictor')).join()).toContain(`= [32, ${seen + kept}, 32]`);
  expect((await shapes('loss')).join()).toContain(`= [32, ${kept}, 64]`);
  await expect(page.locator('[data-live=Ke]')).toHaveText([String(seen), String(seen)]);
  await expect(page.locator('#how-masks + p + p')).toContainText(`Here Ke = ${seen} patches are left of each context and Kp = ${kept} of each target block`);

  const loss = page.locator('[data-live=loss]');
  const before = await loss.textContent();
  await expect(page.locator('.article [role=status]')).toContainText('Step 1 of a small network');
  await page.getByRole('button', { name: 'Another step' }).click();
  await expect(page.locator('.article [role=status]')).toContainText('Step 2 of a small network');
  await expect(loss).not.toHaveText(before!);

  // By keyboard alone: another image, another row, another block.
  await page.getByRole('button', { name: 'Next image' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('.walk-bar')).toContainText('Image 2 of 8');
  await expect(page.getByRole('button', { name: 'Image 2', exact: true })).toHaveAttribute('aria-pressed', 'true');
  const map = figure(page, 'patches').getByRole('slider');
  await map.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  await expect(map).toHaveAttribute('aria-valuetext', /^Patch 1, row 1, column 2; number 2 is −?\d/);
  await expect(figure(page, 'patches').locator('.reading')).toContainText('Patch 1');
  await figure(page, 'loss').getByRole('button', { name: 'Block 3' }).focus();
  await page.keyboard.press('Enter');
  await expect(figure(page, 'predictor').getByRole('button', { name: 'Block 3' })).toHaveAttribute('aria-pressed', 'true');
  await expect(figure(page, 'loss').locator('.reading')).toContainText('of block 3');
  const later = page.getByRole('slider', { name: 'Steps later' });
  await later.focus();
  await page.keyboard.press('Home');
  await expect(figure(page, 'follow')).toContainText('After 0 steps 100 %');
  for (let i = 0; i < 4; i++) await page.keyboard.press('PageUp');
  await figure(page, 'targets').locator('canvas[role=slider]').first().hover({ position: { x: 100, y: 37 } });
  await expect(figure(page, 'targets').locator('.reading').first()).toContainText('Patch 7');

  await page.getByText('Show the lines').click();
  await expect(page.locator('.trace li')).toHaveCount(5);
  const asked = /\[32, \d+, 32\]/.exec((await shapes('predictor'))[0]!)![0];
  await expect(page.locator('.trace')).toContainText(`x.shape after concat mask tokens: torch.Size(${asked})`);
  await page.locator('.trace a').filter({ hasText: 'Masks' }).first().click();
  await expect(page).toHaveURL(/#how-masks$/);
  await expect(page.locator('#how-masks')).toBeFocused();
  await expect(page.locator('#how-masks')).toBeInViewport();
  await expect(page.locator('.contents [aria-current]')).toHaveText('2Masks are drawn');

  await everyWidth(page, 'how', picture);
});

test('a run takes the place of the small network, and goes on undisturbed', async ({ page }) => {
  test.setTimeout(240_000);
  // A walk that is asked for may fail, where the test says so.
  await page.addInitScript(() => {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message: { kind?: string }, ...rest: []) {
      const next = globalThis as { failing?: boolean };
      if (message.kind !== 'walk' || !next.failing) return post.call(this, message, ...rest);
      next.failing = false;
      this.dispatchEvent(new MessageEvent('message', { data: { kind: 'walked', walk: null, why: 'a test' } }));
    };
  });
  await page.goto('#how');
  await filled(page);
  await page.getByRole('link', { name: 'Train' }).click();
  await noteDevices(page);
  await beginSmall(page);
  await reach(page, 2);
  await page.getByRole('link', { name: 'How it works' }).click();
  const state = page.locator('.article [role=status]');
  await expect(state).toContainText(/^Step \d+ of your run, renewed/, { timeout: 60_000 });
  const first = await state.textContent();
  await expect(state).not.toHaveText(first!);
  // It is renewed after a failure, too.
  await page.evaluate(() => void ((globalThis as { failing?: boolean }).failing = true));
  await expect(state).toHaveText('The figures could not be made: a test.');
  await expect(state).toContainText(/^Step \d+ of your run, renewed/);
  await page.getByRole('button', { name: 'Hold' }).click();
  await expect(state).toContainText('held');
  await page.getByRole('link', { name: 'Train' }).click();
  await pause(page);
  await page.getByRole('link', { name: 'How it works' }).click();
  await expect(state).toContainText('which is paused');
  const before = Number(/\d+/.exec((await state.textContent())!)![0]);
  await page.getByRole('button', { name: 'One step of the run' }).click();
  await expect(state).toContainText(`Step ${before + 1} of your run`);

  // The small network's device is its own: the run survives its loss, and the view the run's end.
  await page.getByRole('link', { name: 'Train' }).click();
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await page.getByRole('link', { name: 'How it works' }).click();
  await expect(state).toContainText('Step 1 of a small network', { timeout: 60_000 });
  await takeDevice(page);
  await page.getByRole('button', { name: 'Another step' }).click();
  await expect(state).toContainText('The figures could not be made: the GPU went away.');
  await page.getByRole('button', { name: 'Another step' }).click();
  await expect(state).toContainText('Step 1 of a small network', { timeout: 60_000 });
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('without WebGPU the text is there', async ({ page }) => {
  await page.addInitScript(() => Object.defineProperty(navigator, 'gpu', { value: undefined }));
  await page.goto('#how-masks');
  await expect(page.locator('#how-masks')).toBeInViewport();
  await expect(page.getByText('For each image M = 4 rectangles are drawn at random')).toBeVisible();
  await expect(figure(page, 'masks')).toContainText('This figure needs WebGPU.');
  await expect(figure(page, 'overview').getByRole('img')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Another step' })).toBeHidden();
  expect(await barriers(page)).toEqual([]);
  await page.setViewportSize({ width: 390, height: 844 });
  await picture(page, 'how-without-390');
});

test('rows of the tensors are the patches that figures say they are', async ({ page, baseURL }) => {
  await openPackage(page, baseURL!);
  const { trail, context, targets, pixels } = await page.evaluate(async () => {
    const url = './pkg/ijepa.js';
    const { default: start, Trainer } = (await import(url)) as typeof import('ijepa');
    await start();
    const trainer = await Trainer.create({ preset: 'demo', steps: 10, set: ['data.batch_size=4', 'logging.monitor_images=40'] }, null);
    await trainer.step();
    const [image, bytes] = [2, 3 * 32 * 32];
    const { context, targets } = trainer.batchMasks();
    const trail = (await trainer.trail(image)).map(({ name, columns, values }) => [name, { columns, values: Array.from(values) }] as const);
    const pixels = Array.from(trainer.batchImages().slice(image * bytes, (image + 1) * bytes));
    return { trail: Object.fromEntries(trail), context: context[image]!, targets: targets.map((block) => block[image]!), pixels };
  });
  const row = (name: string, at: number) => {
    const { columns, values } = trail[name]!;
    return values.slice(at * columns, (at + 1) * columns);
  };
  const near = (a: number[], b: number[], what: string) => {
    expect(a.length, what).toBe(b.length);
    expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!))), what).toBeLessThan(1e-3);
  };
  // A patch: 16 pixels in red, then in green, then in blue, normalised.
  const at = 8 * 5 + 3;
  const numbers = [0, 1, 2].flatMap((c) =>
    Array.from({ length: 16 }, (_, i) => {
      const [y, x] = [5 * 4 + Math.floor(i / 4), 3 * 4 + (i % 4)];
      return (pixels[3 * (32 * y + x) + c]! / 255 - [0.485, 0.456, 0.406][c]!) / [0.229, 0.224, 0.225][c]!;
    }),
  );
  near(row('patches', at), numbers, 'pixels of a patch');
  context.forEach((patch, i) => near(row('context_patches', i), row('patches', patch), `context patch ${patch}`));
  const normalised = (values: number[]) => {
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return values.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
  };
  const kept = targets[0]!.length;
  targets.forEach((block, m) =>
    block.forEach((patch, k) => near(row('targets', m * kept + k), normalised(row('target_encoder_out', patch)), `target ${patch} of block ${m}`)),
  );
  // Mask tokens are one learned row, each with its position: the column in one half, the row in the other.
  // That is the rule by which the page draws positions, too.
  const { values } = positions(8, 32);
  const position = (patch: number) => values.subarray(patch * 32, (patch + 1) * 32);
  const token = (m: number, k: number) => row('predictor_in', m * (context.length + kept) + context.length + k).map((value, c) => value - position(targets[m]![k]!)[c]!);
  targets.forEach((block, m) => block.forEach((patch, k) => near(token(m, k), token(0, 0), `mask token for ${patch}`)));
});

test('a momentum close to 1 is told from 1', () => {
  expect(shares(0.98)).toEqual({ momentum: '0.98', rest: '0.02' });
  expect(shares(0.99997)).toEqual({ momentum: '0.99997', rest: '0.00003' });
  expect(shares(0.5)).toEqual({ momentum: '0.5', rest: '0.5' });
  expect(shares(0)).toEqual({ momentum: '0', rest: '1' });
  expect(shares(1)).toEqual({ momentum: '1', rest: '0' });
});
