import { expect, test } from './page';

test('the example, which uses the package alone', async ({ page }) => {
  const small = ['data.batch_size=4', 'meta.model.depth=1', 'meta.pred_depth=1', 'logging.monitor_images=16'];
  await page.goto(`example/?${small.map((value) => `set=${value}`).join('&')}`);
  await expect(page.locator('#out')).toContainText('step 10: loss', { timeout: 60_000 });
  await expect(page.locator('#out')).toContainText('2 images are 64 numbers each');
});
