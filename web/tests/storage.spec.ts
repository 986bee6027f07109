// The run saves itself: every minute, without a pause, and into the storage of one tab alone.
import { beginSmall, expect, pause, reach, stepOf, test } from './page';
import type { Page } from '@playwright/test';

/** What lies in the browser's storage: the step of the run, and the bytes of the file. */
const stored = async (page: Page) => {
  // The page may put a newer file in its place while this one is read: then that one is.
  for (;;) {
    const found = await page.evaluate(async () => {
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle('run.ijepa').catch(() => null))?.getFile();
      if (!file) return null;
      try {
        const length = new Uint32Array(await file.slice(0, 4).arrayBuffer())[0]!;
        const { step } = JSON.parse(await file.slice(4, 4 + length).text()) as { step: number };
        return { step, bytes: file.size };
      } catch (error) {
        const replaced = ['NotFoundError', 'NotReadableError'];
        if (error instanceof DOMException && replaced.includes(error.name)) return 'replaced';
        throw error;
      }
    });
    if (found !== 'replaced') return found;
  }
};

/** Moves the worker's clock on, by which it knows when to save. */
const later = (page: Page, seconds: number) =>
  page.workers()[0]!.evaluate((seconds) => {
    const now = performance.now.bind(performance);
    performance.now = () => now() + seconds * 1000;
  }, seconds);

test('every minute, while it trains', async ({ page }) => {
  await page.goto('.');
  await expect(page.locator('#saved')).toHaveText('The run saves itself in this browser every minute and at each pause.');
  await beginSmall(page);
  await reach(page, 3);
  expect(await stored(page)).toBeNull();

  await later(page, 61);
  await expect(page.locator('#saved')).toContainText('Saved in this browser');
  await expect(page.locator('#train')).toHaveText('Pause');
  const first = (await stored(page))!;
  expect(first.step).toBeGreaterThanOrEqual(3);
  expect(first.bytes).toBeGreaterThan(100_000);

  // Not at every step from then on, but after the next minute.
  await reach(page, first.step + 3);
  expect(await stored(page)).toEqual(first);
  await later(page, 61);
  await expect.poll(async () => (await stored(page))!.step).toBeGreaterThan(first.step);
  const { step } = (await stored(page))!;

  // The page goes away in the middle of a step.
  await page.reload();
  await expect(page.locator('.notice')).toContainText(new RegExp(`Continue the run of \\d\\d:\\d\\d, step ${step}\\?`));
});

test('of two tabs one keeps its run, and the other says so', async ({ page, context }) => {
  await page.goto('.');
  await beginSmall(page);
  await reach(page, 2);
  await pause(page);
  const step = await stepOf(page);
  const kept = (await stored(page))!;
  expect(kept.step).toBe(step);

  const other = await context.newPage();
  await other.goto('.');
  await expect(other.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await expect(other.locator('#saved')).toContainText('Another tab keeps its run');
  await expect(other.locator('.notice')).toHaveCount(0); // the run that is open elsewhere is not offered
  await beginSmall(other);
  await reach(other, step + 2);
  await later(other, 61);
  await reach(other, step + 4);
  await other.getByRole('button', { name: 'Pause' }).click();
  await expect(other.getByRole('button', { name: 'Continue' })).toBeEnabled();
  await expect(other.locator('#saved')).toContainText('Another tab keeps its run');
  expect(await stored(page)).toEqual(kept);
  await other.getByRole('button', { name: 'Reset' }).click();
  await expect(other.getByRole('button', { name: 'Start training' })).toBeEnabled();
  expect(await stored(page)).toEqual(kept);

  // The first goes on, and keeps what it has done.
  await page.getByRole('button', { name: 'Continue' }).click();
  await reach(page, step + 1);
  await pause(page);
  expect((await stored(page))!.step).toBeGreaterThan(step);
  await page.close();
  await other.reload();
  await expect(other.locator('.notice')).toContainText('Continue the run of');
});
