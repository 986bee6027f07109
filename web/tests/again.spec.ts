// After a reload, and after the GPU was lost: the run goes on, with the losses that it would have had.
import { readFile } from 'node:fs/promises';
import { beginSmall, expect, noteDevices, pause, reach, shot, stepOf, takeDevice, test } from './page';
import type { Page } from '@playwright/test';

/** Epoch, iteration, loss and masks of the first steps, from the CSV. */
async function losses(page: Page, steps: number): Promise<string[]> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Table' }).click()]);
  const rows = (await readFile(await download.path())).toString().trim().split('\n').slice(1, 1 + steps);
  return rows.map((row) => row.split(',').slice(0, 5).join(','));
}

test('a run goes on after a reload and after the GPU was lost', async ({ page }) => {
  await page.goto('.');
  await beginSmall(page);
  await reach(page, 8);
  await pause(page);
  const straight = await losses(page, 8);
  expect(straight).toHaveLength(8);
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();

  await page.getByRole('button', { name: 'Start training' }).click();
  await reach(page, 2);
  await pause(page);
  const step = await stepOf(page);
  await page.reload();
  await expect(page.locator('.notice')).toContainText(new RegExp(`Continue the run of \\d\\d:\\d\\d, step ${step}\\?`));
  await shot(page, 'continue');
  await page.setViewportSize({ width: 390, height: 844 });
  await shot(page, 'continue-390');
  await page.setViewportSize({ width: 1280, height: 800 });

  await noteDevices(page);
  await page.locator('.notice').getByRole('button', { name: 'Continue' }).click();
  await reach(page, step + 1);
  await takeDevice(page);
  await expect(page.locator('.notice')).toContainText(`Training goes on from step ${step}`);
  await shot(page, 'lost');
  await expect(page.locator('.notice')).toHaveCount(0, { timeout: 60_000 });
  await reach(page, 8);
  await pause(page);
  expect(await losses(page, 8)).toEqual(straight);
});
