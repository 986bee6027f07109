// Views of the page, and the one that looks into a trained network.
import { barriers, beginSmall, expect, reach, shot, test } from './page';

test('views follow the address, and training goes on behind them', async ({ page }) => {
  await page.goto('.');
  const current = page.locator('.views [aria-current=page]');
  await expect(current).toHaveText('Train');
  await beginSmall(page);
  await reach(page, 2);
  await expect(current).toHaveText(/^Train · step \d+$/);
  await page.getByRole('link', { name: 'How it works' }).click();
  await expect(page).toHaveURL(/#how$/);
  await expect(page).toHaveTitle('How it works – I-JEPA in the browser');
  await expect(page.getByRole('heading', { name: 'How it works' })).toBeFocused();
  await expect(page.getByRole('button', { name: 'Pause' })).toBeHidden();
  const step = await page.locator('#nav-step').textContent();
  await expect(page.locator('#nav-step')).not.toHaveText(step!);
  await page.getByRole('link', { name: 'Look inside' }).click();
  await expect(current).toHaveText('Look inside');
  await page.goBack();
  await expect(current).toHaveText('How it works');
  await page.goBack();
  await expect(page).toHaveTitle('I-JEPA in the browser');
  await page.goForward();
  await expect(current).toHaveText('How it works');
  // Places within the first view are still places.
  await page.goto('#settings');
  await expect(page.locator('#settings')).toBeInViewport();
  await expect(current).toHaveText(/^Train/);
  await page.goto('#how');
  await page.reload();
  await expect(current).toHaveText('How it works');
  expect(await barriers(page)).toEqual([]);
  await shot(page, 'how');
});
