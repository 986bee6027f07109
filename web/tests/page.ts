// The page as every test gets it: watched for what no visit may do.
import { expect, test as base, type Page } from '@playwright/test';
import axe from 'axe-core';

export { expect };

export const test = base.extend<{ excused: RegExp | null; watched: void }>({
  /** Errors that a test makes on purpose. */
  excused: [null, { option: true }],
  watched: [
    async ({ page, context, baseURL, excused }, use) => {
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
      expect(complaints.filter((complaint) => !excused?.test(complaint)), 'errors in the console').toEqual([]);
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

/** Fills the form so that a step takes well under a second on a software adapter, and starts. */
export async function beginSmall(page: Page, { button = 'Start training', batch = 4, more = [] as string[], by = 'click' as 'click' | 'tap' } = {}) {
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled({ timeout: 30_000 });
  await page.locator('#settings > summary').click();
  await page.getByLabel('Batch', { exact: true }).fill(String(batch));
  const small = ['meta.model.depth=1', 'meta.pred_depth=1', 'logging.monitor_images=40'];
  await page.getByLabel('Anything else').fill([...small, ...more].join('\n'));
  await expect(page.locator('#settings-note')).toContainText('changed');
  await page.locator('#settings > summary').click();
  await page.getByRole('button', { name: button })[by]();
}

export const stepOf = async (page: Page) => Number(await page.locator('#step').textContent());

export async function reach(page: Page, step: number) {
  await expect.poll(() => stepOf(page), { timeout: 60_000, intervals: [250] }).toBeGreaterThanOrEqual(step);
}

export async function pause(page: Page) {
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('button', { name: 'Continue' })).toBeEnabled({ timeout: 30_000 });
  // Of this pause: what was said of the one before may still stand there.
  await expect(page.locator('#saved')).toContainText(new RegExp(`Saved in this browser at .*, step ${await stepOf(page)}:`));
}

/** The worker's devices are noted from now on, so that the one in use can be taken away. */
export async function noteDevices(page: Page) {
  await page.workers()[0]!.evaluate(() => {
    const devices: { destroy(): void }[] = [];
    Object.assign(globalThis, { devices });
    const adapters = (globalThis as unknown as { GPUAdapter: { prototype: { requestDevice: (d: unknown) => Promise<{ destroy(): void }> } } }).GPUAdapter.prototype;
    const open = adapters.requestDevice;
    adapters.requestDevice = async function (descriptor) {
      const device = await open.call(this, descriptor);
      devices.push(device);
      return device;
    };
  });
}

export async function takeDevice(page: Page) {
  await page.workers()[0]!.evaluate(() => (globalThis as unknown as { devices: { destroy(): void }[] }).devices.at(-1)!.destroy());
}

/** Milliseconds to the first contentful paint, and from a click to the first step of the demo as it is; and what the page
 * says in the meantime. */
export async function firstStep(page: Page): Promise<{ paint: number; step: number; said: string[] }> {
  await page.goto('.');
  const start = page.getByRole('button', { name: 'Start training' });
  await expect(start).toBeEnabled({ timeout: 30_000 });
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity);
  // By the page's own clock: what Playwright asks takes its time, too.
  const { step, said } = await page.evaluate(
    () =>
      new Promise<{ step: number; said: string[] }>((done) => {
        const [steps, doing] = ['step', 'doing'].map((id) => document.getElementById(id)!);
        const began = performance.now();
        const said: string[] = [];
        new MutationObserver((_, observer) => {
          const text = doing!.textContent!;
          if (said.at(-1) !== text) said.push(text);
          if (steps!.textContent !== '1') return;
          observer.disconnect();
          done({ step: performance.now() - began, said });
        }).observe(document.body, { subtree: true, childList: true, characterData: true });
        document.getElementById('train')!.click();
      }),
  );
  return { paint: Math.round(paint), step: Math.round(step), said };
}

/** How many colours a canvas has. */
export const coloursOf = (page: Page, selector: string) =>
  page.locator(selector).first().evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });

/** Every panel of the view that looks inside has something to show. */
export async function insideFilled(page: Page) {
  await expect(page.locator('#mask .sentence')).toContainText(/^\d+ of 64 .* agree by −?[01]\.\d\d/, { timeout: 60_000 });
  await expect(page.locator('#similarity .tiles figure')).toHaveCount(18);
  await expect(page.locator('#attention .tiles figure').nth(1)).toContainText('Head 1');
  const [alike, guess] = ['#similarity .beside > div:first-child canvas', '#mask .four figure:nth-child(2) canvas'];
  for (const selector of ['#pick canvas', alike, '#similarity .tiles canvas', '#features canvas', '#features .tiles canvas', '#attention canvas', guess, '#mask .five canvas']) {
    expect(await coloursOf(page, selector), `colours in ${selector}`).toBeGreaterThan(20);
  }
}

/** A picture of the whole page at a fixed width. */
export async function shot(page: Page, name: string) {
  // Two frames, or what was seen before scrolling is still in a part of the picture.
  await page.evaluate(() => {
    scrollTo(0, 0);
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  });
  await page.screenshot({ path: `tests/shots/${name}.png`, fullPage: true, animations: 'disabled' });
}

/** The view at every width and in both colour schemes: nothing too wide, no barriers, a picture of each. */
export async function everyWidth(page: Page, name: string, take = shot) {
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1280, 390, 360, 2560]) {
      await page.setViewportSize({ width, height: width < 500 ? 844 : 800 });
      // Curves and drawings follow in the next frames.
      await page.evaluate(() => new Promise((done) => setTimeout(done, 300)));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wide, `pixels too wide at ${width}`).toBeLessThanOrEqual(0);
      await take(page, `${name}-${width}-${scheme}`);
    }
    expect(await barriers(page), scheme).toEqual([]);
  }
}
