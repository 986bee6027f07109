// The README's pictures of the page: a real run of the demo, as it is, up to a step. `make pictures` makes it, in minutes;
// the tests leave it out. IJEPA_README is the step.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { expect, insideFilled, stepOf, test } from './page';

const STEP = Number(process.env.IJEPA_README ?? 0);
const MOST_BYTES = 300_000;

test('pictures for the README', async ({ page }) => {
  test.skip(!STEP, 'made by `make pictures`');
  test.setTimeout(3_600_000);
  await page.goto('.');
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect.poll(() => stepOf(page), { timeout: 3_500_000, intervals: [100] }).toBeGreaterThanOrEqual(STEP);
  const train = page.locator('#train');
  if ((await train.textContent()) === 'Pause') await train.click();
  await expect(train).toHaveText(/Continue|Finished/, { timeout: 60_000 });
  await expect(page.locator('#saved')).toContainText('Saved in this browser');
  // It must show what it is there to show.
  await expect(page.locator('#verdict')).toHaveText('Healthy');
  const knn = (name: string) => page.locator(`#knn-${name}`).textContent().then((text) => parseFloat(text!));
  expect(await knn('now')).toBeGreaterThan((await knn('before')) + 5);

  // What trains and what is seen of it; the panels below it are for visitors.
  await take(page, 'train', '.panels');

  // The same run from inside, with a part of an image hidden.
  await page.getByRole('link', { name: 'Look inside' }).click();
  await insideFilled(page);
  await page.getByRole('radio', { name: /^Image 10:/ }).check({ force: true });
  const board = page.locator('#mask .four figure').first();
  await board.getByRole('gridcell').nth(18).focus();
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowDown']) await page.keyboard.press(`Shift+${key}`);
  await insideFilled(page);
  await take(page, 'inside', '#mask');
});

/** The page down to the end of a part of it, as a picture of the documents. */
async function take(page: Page, name: string, part: string) {
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  const bottom = await page.locator(part).evaluate((shown) => shown.getBoundingClientRect().bottom + scrollY);
  const path = fileURLToPath(new URL(`../../docs/page-${name}.png`, import.meta.url));
  await page.evaluate(() => scrollTo(0, 0));
  await page.waitForTimeout(300);
  await page.screenshot({ path, fullPage: true, animations: 'disabled', clip: { x: 0, y: 0, width: 1280, height: Math.ceil(bottom) + 16 } });
  const { size } = statSync(path);
  console.log(`docs/page-${name}.png: ${Math.round(size / 1000)} kB`);
  expect(size).toBeLessThanOrEqual(MOST_BYTES);
}
