import { barriers, expect, test } from './page';

test('the page says which GPU it found', async ({ page }) => {
  await page.goto('.');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('I-JEPA in the browser');
  await expect(page.locator('#adapter')).toHaveText('google swiftshader');
  await expect(page.getByRole('alert')).toBeHidden();
  expect(await barriers(page)).toEqual([]);
  await page.screenshot({ path: 'tests/shots/visit.png' });
});
