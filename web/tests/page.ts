// The page as every test gets it: watched for what no visit may do.
import { expect, test as base, type Page } from '@playwright/test';
import axe from 'axe-core';

export { expect };

export const test = base.extend<{ watched: void }>({
  watched: [
    async ({ page, context, baseURL }, use) => {
      const outside: string[] = [];
      const complaints: string[] = [];
      // Of the context, not of the page: workers ask for files, too.
      context.on('request', (request) => {
        if (!request.url().startsWith(baseURL!)) outside.push(request.url());
      });
      context.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
      context.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      await use();
      expect(outside, 'requests that left the page’s folder').toEqual([]);
      expect(complaints, 'errors in the console').toEqual([]);
    },
    { auto: true },
  ],
});

/** What axe finds serious or critical, in words; it is run past the page's policy, as the browser's own tools are. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ help, nodes }) => `${help}: ${nodes.map((node) => node.target).join(', ')}`);
}

/** Fills the form so that a step takes a second on a software adapter, and starts. */
export async function beginSmall(page: Page, button = 'Start training', more: string[] = []) {
  await smallSettings(page, more);
  await page.getByRole('button', { name: button }).click();
}

export async function smallSettings(page: Page, more: string[] = []) {
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled({ timeout: 30_000 });
  await page.locator('#settings > summary').click();
  await page.getByLabel('Batch', { exact: true }).fill('4');
  await page.getByLabel('Anything else').fill(['logging.monitor_images=40', ...more].join('\n'));
  await page.locator('#settings > summary').click();
}

/** A picture of the whole page at a fixed width. */
export async function shot(page: Page, name: string) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `tests/shots/${name}.png`, fullPage: true, animations: 'disabled' });
}
