// A first visit: one click, a few steps, and every panel has something to show, at every width and in both colour schemes.
import { readFile } from 'node:fs/promises';
import { barriers, beginSmall, everyWidth, expect, pause, reach, shot, stepOf, test } from './page';

test('a click trains, and every panel fills', async ({ page }) => {
  const answer = await page.goto('.');
  // The page's policy is a header, too: it then holds in the worker.
  expect(answer?.headers()['content-security-policy']).toContain("script-src 'self' 'wasm-unsafe-eval'");
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('I-JEPA in the browser');
  await expect(page.locator('#adapter')).toContainText('swiftshader');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  expect(await barriers(page)).toEqual([]);
  await shot(page, 'first-visit');

  await beginSmall(page, { batch: 8 });
  await reach(page, 12);
  await pause(page);
  await expect(page.locator('#steps')).toHaveText('of 500');
  await expect(page.locator('#rate')).toHaveText(/^[\d.]+$/);
  await expect(page.locator('#loss-chart canvas')).toBeVisible();
  await expect(page.locator('#loss-values')).toContainText(/raw 0\.\d+.*smoothed 0\.\d+.*regularizer 0\.\d+/);
  await expect(page.locator('#knn-chart canvas')).toBeVisible();
  await expect(page.locator('#knn-values')).toContainText(/k-NN \d+\.\d %.*untrained \d+\.\d %.*pixels \d+\.\d %/);
  await expect(page.locator('#batch')).toHaveAttribute('aria-label', /^8 images .* 4 target blocks/);
  await expect(page.locator('#colours')).toHaveAttribute('aria-label', /^6 fixed images/);
  await expect(page.locator('#verdict')).toHaveText(/Healthy|Collapsing|Undecided/);
  for (const id of ['batch', 'colours']) {
    const colours = await page.locator(`#${id}`).evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    expect(colours, `colours in #${id}`).toBeGreaterThan(50);
  }

  // The keyboard reads the curve as the mouse does.
  await page.locator('#loss-chart').focus();
  await page.keyboard.press('Home');
  await expect(page.locator('#loss-values')).toContainText('step 1');
  await page.keyboard.press('ArrowRight');
  await expect(page.locator('#loss-values')).toContainText('step 2');
  await page.locator('#loss-chart .u-over').hover();
  await expect(page.locator('#loss-values')).toContainText(/step [5-9]/);
  await page.mouse.move(0, 0);
  await page.getByRole('button', { name: 'Log' }).click();
  await page.getByRole('button', { name: 'Log' }).click();

  await everyWidth(page, 'trained');
  await page.setViewportSize({ width: 1280, height: 800 });

  const keep = async (name: string) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  };
  const step = await stepOf(page);
  const weights = await keep('Weights');
  expect(weights.name).toBe(`ijepa-step-${step}.safetensors`);
  const header = JSON.parse(weights.bytes.subarray(8, 8 + Number(weights.bytes.readBigUInt64LE())).toString());
  expect(Object.keys(header).length).toBeGreaterThan(20);
  const csv = (await keep('Table')).bytes.toString().trim().split('\n');
  expect(csv[0]).toContain('epoch,itr,loss');
  expect(csv).toHaveLength(1 + step);
  for (const of of ['the loss curve', 'the accuracy curve', 'the batch', 'the features']) {
    const picture = await keep(`PNG of ${of}`);
    expect(picture.bytes.subarray(1, 4).toString()).toBe('PNG');
  }
});
