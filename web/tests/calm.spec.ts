// For those who ask for no motion, and for those who have no mouse.
import { beginSmall, expect, pause, reach, shot, stepOf, test } from './page';
import type { Page } from '@playwright/test';

/** How often the batch's picture becomes another one within so many seconds. */
const changes = (page: Page, seconds: number) =>
  page.evaluate(async (seconds) => {
    const canvas = document.getElementById('batch') as HTMLCanvasElement;
    const end = performance.now() + seconds * 1000;
    let [last, count] = [canvas.toDataURL(), 0];
    while (performance.now() < end) {
      await new Promise((done) => setTimeout(done, 200));
      const now = canvas.toDataURL();
      if (now !== last) count++;
      last = now;
    }
    return count;
  }, seconds);

/** What moves or could: animations that run, and elements that have a transition or an animation. */
const moving = (page: Page) =>
  page.evaluate(() => {
    const running = document.getAnimations().map((animation) => `${animation.constructor.name} ${animation.id}`);
    const styled = [...document.querySelectorAll('*')].filter((element) => {
      const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
      return !/^(0s(, )?)+$/.test(transitionDuration) || animationName !== 'none' || scrollBehavior === 'smooth';
    });
    return [...running, ...styled.map((element) => `${element.tagName} ${element.id}`)];
  });

test('no motion for those who ask for none', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto('.');
  expect(await moving(page)).toEqual([]);
  await beginSmall(page);
  await reach(page, 3);
  expect(await moving(page)).toEqual([]);
  // One every five seconds: three at most where the first comes at once.
  expect(await changes(page, 11)).toBeLessThanOrEqual(3);
  expect(await moving(page)).toEqual([]);
  // Numbers and curves go on meanwhile, and a pause shows the batch of the last step.
  const step = await stepOf(page);
  await reach(page, step + 1);
  await pause(page);
  await expect(page.locator('#batch')).toHaveAttribute('aria-label', /^4 images/);

  await page.emulateMedia({ reducedMotion: 'no-preference' });
  await page.getByRole('button', { name: 'Continue' }).click();
  expect(await changes(page, 11)).toBeGreaterThan(3);
});

test.describe('by touch', () => {
  test.use({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } });

  test('start, pause, one step, reset, and a curve read by a finger', async ({ page }) => {
    await page.goto('.');
    const train = page.locator('#train');
    await expect(train).toBeEnabled();
    await page.locator('#settings > summary').tap();
    await expect(page.getByLabel('Batch', { exact: true })).toBeVisible();
    await page.locator('#settings > summary').tap();
    await beginSmall(page, { by: 'tap' });
    await reach(page, 3);
    await train.tap();
    await expect(train).toHaveText('Continue', { timeout: 30_000 });
    const step = await stepOf(page);
    await page.getByRole('button', { name: 'One step' }).tap();
    await reach(page, step + 1);
    await page.waitForTimeout(500);
    expect(await stepOf(page)).toBe(step + 1);
    await page.locator('#loss-chart .u-over').tap();
    await expect(page.locator('#loss-values')).toContainText(/step \d/);
    await shot(page, 'touch-390');
    // Fingers need room: 24 CSS pixels at least for all that is tapped.
    const small = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('button, summary, select, textarea, input[type=text], label.button')]
        .filter((element) => element.checkVisibility())
        .filter((element) => Math.min(element.offsetWidth, element.offsetHeight) < 24)
        .map((element) => `${element.id} ${element.textContent} ${element.offsetWidth} x ${element.offsetHeight}`),
    );
    expect(small).toEqual([]);
    await page.getByRole('button', { name: 'Reset' }).tap();
    await expect(train).toHaveText('Start training');
  });
});
