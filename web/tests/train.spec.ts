// Pause, one step, reset; settings that can't work; and a page that stays free to answer meanwhile.
import { barriers, beginSmall, expect, pause, reach, shot, stepOf, test } from './page';

test('one step, train, pause, reset, with the keyboard alone', async ({ page }) => {
  await page.goto('.');
  await beginSmall(page, { button: 'One step' });
  const train = page.locator('#train');
  await expect(train).toHaveText('Continue', { timeout: 60_000 });
  await expect(train).toBeFocused();
  await reach(page, 1);
  const one = page.getByRole('button', { name: 'One step' });
  await one.focus();
  await page.keyboard.press('Enter');
  await reach(page, 2);
  await page.waitForTimeout(500);
  expect(await stepOf(page)).toBe(2);

  await page.evaluate(() => {
    const longest = { duration: 0 };
    Object.assign(globalThis, { longest });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest.duration = Math.max(longest.duration, duration);
    }).observe({ type: 'longtask' });
  });
  await train.focus();
  await page.keyboard.press('Space');
  await reach(page, 22);
  const longest = await page.evaluate(() => (globalThis as unknown as { longest: { duration: number } }).longest.duration);
  console.log(`longest task on the page's thread during 20 steps: ${longest || 'under 50'} ms`);
  expect(longest).toBeLessThan(50);

  await pause(page);
  const paused = await stepOf(page);
  await page.waitForTimeout(1000);
  expect(await stepOf(page)).toBe(paused);
  // The verdict is of the step that is shown, or of one shortly before.
  const looked = async () => Number(/At step (\d+)/.exec((await page.locator('#verdict-words').textContent())!)?.[1]);
  await expect.poll(looked).toBeGreaterThan(paused - 3);

  await page.getByRole('button', { name: 'Reset' }).focus();
  await page.keyboard.press('Enter');
  await expect(train).toHaveText('Start training');
  await expect(page.locator('#step')).toHaveText('0');
  await expect(page.locator('#loss-chart canvas')).toHaveCount(0);
  // What was reset is not offered again.
  await page.reload();
  await expect(train).toBeEnabled();
  await expect(page.locator('.notice')).toHaveCount(0);
});

test('a run that ends, and is opened again', async ({ page }) => {
  await page.goto('.');
  await beginSmall(page, { batch: 8, more: ['optimization.steps=12'] });
  const train = page.locator('#train');
  await expect(train).toHaveText('Finished', { timeout: 60_000 });
  await expect(page.locator('#step')).toHaveText('12');
  await expect(page.locator('#verdict-words')).toContainText('At step 12');
  await expect(page.locator('#knn-values')).toContainText('step 12');
  await expect(page.locator('#saved')).toContainText('Saved in this browser');
  await shot(page, 'finished');
  await page.reload();
  await expect(page.locator('.notice')).toContainText('Open the finished run of');
  await page.getByRole('button', { name: 'Open it' }).click();
  await expect(train).toHaveText('Finished', { timeout: 30_000 });
  await expect(page.locator('#loss-values')).toContainText('step 12');
  await expect(page.locator('#verdict-words')).toContainText('At step 12');
  await expect(page.getByRole('button', { name: 'Weights' })).toBeEnabled();
});

test('a step that is not finite is explained, and reset offered', async ({ page }) => {
  await page.goto('.');
  await beginSmall(page, { more: ['optimization.lr=1e30', 'optimization.start_lr=1e30'] });
  const alert = page.getByRole('alert');
  await expect(alert).toContainText(/not? (longer )?finite.*lower learning rate/, { timeout: 60_000 });
  await alert.getByRole('button', { name: 'Reset' }).click();
  await expect(page.locator('#train')).toHaveText('Start training');
  await expect(alert).toHaveCount(0);
});

test('a setting that can’t work is refused beside its field', async ({ page }) => {
  await page.goto('.');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await page.locator('#settings > summary').click();
  await expect(page.locator('#hint-lr')).toContainText('Default: 0.003');
  await expect(page.locator('#hint-target')).toContainText('Default: 0.1 – 0.15');
  // However long the answer takes.
  await page.workers()[0]!.evaluate(() => {
    const post = self.postMessage.bind(self);
    self.postMessage = (message: unknown) => void setTimeout(() => post(message), 200);
  });
  await page.getByLabel('Preset').selectOption('nano');
  await expect(page.locator('#hint-lr')).toContainText('Default: 0.002');
  const low = page.getByLabel('Target scale, low');
  await low.fill('0.5');
  await expect(page.locator('#why-target')).toContainText('the smaller one first');
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(low).toBeFocused();
  await expect(page.locator('#train')).toHaveText('Start training');
  await page.getByLabel('Learning rate').fill('fast');
  await expect(page.locator('#why-lr')).toBeVisible();
  await expect(page.locator('#why-target')).toBeVisible(); // each that is wrong, not the first alone
  await shot(page, 'settings');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(page, 'settings-390-dark');
  expect(await barriers(page)).toEqual([]);
  await page.getByRole('button', { name: 'All back to defaults' }).click();
  await expect(page.locator('#why-lr')).toBeHidden();
  await expect(page.locator('#hint-lr')).toContainText('Default: 0.003');
});
