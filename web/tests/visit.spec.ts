// A first visit: one click, a few steps, and every panel has something to show.
import { barriers, beginSmall, expect, shot, test } from './page';

test('a click trains, and every panel fills', async ({ page }) => {
  await page.goto('.');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('I-JEPA in the browser');
  await expect(page.locator('#adapter')).toContainText('swiftshader');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await shot(page, 'first-visit');
  await beginSmall(page);
  await expect.poll(async () => Number(await page.locator('#step').textContent()), { timeout: 60_000 }).toBeGreaterThan(3);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('button', { name: 'Continue' })).toBeEnabled({ timeout: 30_000 });
  await expect(page.locator('#loss-chart canvas')).toBeVisible();
  await expect(page.locator('#knn-chart canvas')).toBeVisible();
  await shot(page, 'trained');
  expect(await barriers(page)).toEqual([]);
});
