// Views of the page, and the one that looks into a trained network.
import { truncate, writeFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { barriers, beginSmall, everyWidth, expect, insideFilled, noteDevices, pause, reach, shot, stepOf, takeDevice, test } from './page';

/** All pixels of a canvas as a number that changes with them. */
const printOf = (page: Page, selector: string) =>
  page.locator(selector).first().evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return new Uint32Array(data.buffer).reduce((hash, pixel) => (Math.imul(hash, 31) + pixel) | 0, 7);
  });

/** Does something, and waits until the canvas shows something else. */
async function changes(page: Page, selector: string, what: () => Promise<unknown>) {
  const before = await printOf(page, selector);
  await what();
  await expect.poll(() => printOf(page, selector)).not.toBe(before);
}

test.describe('the address', () => {
  // The browser asks for the icon again when the address changes, and drops that when the page is loaded anew.
  test.use({ excused: /icon\.svg: net::ERR_ABORTED/ });

  test('says which view is shown, and training goes on behind it', async ({ page }) => {
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
  });
});

test('a run under way is looked into: images, patches, heads, and what is hidden', async ({ page }) => {
  await page.goto('#inside');
  await expect(page.locator('.looked-into')).toHaveText('There is nothing to look into yet.');
  expect(await barriers(page)).toEqual([]);
  await shot(page, 'inside-nothing');
  await page.getByRole('button', { name: 'Train one' }).click();
  await beginSmall(page, { more: ['meta.model.depth=2'] });
  await reach(page, 3);
  await page.getByRole('link', { name: 'Look inside' }).click();
  await expect(page.locator('.looked-into')).toContainText(/The run under way, at step \d+ of 500/, { timeout: 60_000 });
  // Training goes on, and can be looked into again.
  await expect(page.locator('.now')).toContainText(/now at step \d+/);
  const first = await page.locator('.looked-into').textContent();
  await page.getByRole('button', { name: 'Look again' }).click();
  await expect(page.locator('.looked-into')).not.toHaveText(first!);
  await expect(page.locator('.looked-into')).toContainText(/The run under way, at step \d+ of 500/);
  await page.getByRole('link', { name: /^Train/ }).click();
  await pause(page);
  await page.getByRole('link', { name: 'Look inside' }).click();

  // Every panel has something to show before anything is chosen.
  await expect(page.locator('#mask .sentence')).toContainText(/9 of 64 patches are hidden. Prediction and target agree by 0\.\d\d/);
  await insideFilled(page);

  // Another image, by the keyboard and by a click.
  const guess = '#mask .four figure:nth-child(2) canvas';
  await page.getByRole('radio', { name: /^Image 1:/ }).focus();
  await changes(page, guess, () => page.keyboard.press('ArrowRight'));
  await expect(page.getByRole('radio', { name: /^Image 2:/ })).toBeChecked();
  await expect(page.locator('#pick > .caption').last()).toContainText(/^Image 2: /);
  await changes(page, guess, () => page.locator('.strip label').nth(6).click());

  // A patch, by a click and by the keyboard.
  const alike = '#similarity .beside > div:first-child canvas';
  const cells = page.locator('#pick [role=gridcell]');
  await changes(page, alike, () => cells.nth(9).click());
  await expect(page.locator('#pick > .caption').last()).toContainText('row 2, column 2');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await changes(page, alike, () => page.keyboard.press(' '));
  await expect(page.locator('#pick > .caption').last()).toContainText('row 3, column 3');
  await expect(cells.nth(18)).toHaveAttribute('aria-selected', 'true');
  await changes(page, '#similarity .tiles canvas', () => page.getByText('In order', { exact: true }).click());

  // Another block, and all queries at once.
  const head = '#attention figure:nth-child(2) canvas';
  await changes(page, head, () => page.locator('#attention').getByText('1', { exact: true }).click());
  await expect(page.locator(head)).toHaveAttribute('aria-label', /^Block 1, Head 1: most attention goes to row \d, column \d, \d+\.\d %$/);
  await changes(page, head, () => page.getByText('All patches', { exact: true }).click());

  // A block is drawn with the mouse.
  await page.evaluate(() => scrollTo(0, 0));
  const box = (await page.locator('#mask .board').boundingBox())!;
  const at = (column: number, row: number) => [box.x + ((column + 0.5) * box.width) / 8, box.y + ((row + 0.5) * box.height) / 8] as const;
  await page.mouse.move(...at(1, 1));
  await page.mouse.down();
  await page.mouse.move(...at(2, 2));
  await page.mouse.move(...at(4, 2));
  // The pictures keep up with the hand.
  await expect(page.locator('#mask .sentence')).toContainText(/^8 of 64 patches are hidden\. .* agree by −?[01]\.\d\d/);
  await expect(page.locator('#mask [role=gridcell]').nth(20)).toHaveAttribute('aria-label', /hidden, agreement/);
  await page.mouse.up();
  await page.mouse.move(...at(2, 1));
  await expect(page.locator('#mask .at')).toContainText(/row 2, column 3: agreement −?[01]\.\d\d/);
  await expect(page.locator('#mask .five').first().locator('figcaption').first()).toHaveText(/^−?[01]\.\d\d$/);
  await page.getByText('Show patches', { exact: true }).click();
  await page.mouse.click(...at(1, 1));
  await expect(page.locator('#mask .sentence')).toContainText(/^7 of 64/);

  // What is said of one selection is not said of the next: that one has no answer as yet.
  await expect(page.locator('#mask .sentence')).toContainText(/agree by −?[01]\.\d\d/);
  const meanwhile = await page.evaluate(() => {
    const mask = document.querySelector('#mask')!;
    mask.querySelector('.cells')!.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', bubbles: true }));
    return { sentence: mask.querySelector('.sentence')!.textContent, cells: mask.querySelectorAll('[aria-label*=agreement]').length };
  });
  expect(meanwhile.sentence).toContain('agree by … on average');
  expect(meanwhile.cells).toBe(0);

  // And with the keyboard alone.
  await page.getByRole('button', { name: 'Clear' }).press('Enter');
  await expect(page.locator('#mask .sentence')).toContainText('Nothing is hidden');
  await page.keyboard.press('Tab');
  await expect(page.locator('#mask [role=gridcell]:focus')).toHaveCount(1);
  await page.keyboard.press('Control+Home');
  await page.keyboard.press(' ');
  await expect(page.locator('#mask .sentence')).toContainText(/^1 of 64 patches is hidden\. .* agree by −?[01]\.\d\d/);
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Shift+ArrowDown');
  await expect(page.locator('#mask .sentence')).toContainText(/^4 of 64 .* agree by −?[01]\.\d\d/);
  await expect(page.locator('#mask [role=gridcell]').nth(9)).toHaveAttribute('aria-label', /^row 2, column 2: hidden, agreement/);
  await page.keyboard.press('Control+End');
  await page.keyboard.press('Control+Home');
  for (const key of ['End', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown']) await page.keyboard.press(`Shift+${key}`);
  await expect(page.locator('#mask .sentence')).toContainText('Leave at least one patch to be seen');
  await page.getByRole('button', { name: 'A random block' }).click();
  await expect(page.locator('#mask .sentence')).toContainText(/^\d+ of 64 .* agree by −?[01]\.\d\d/);

  await everyWidth(page, 'inside');
});

test('a file is looked into; what is none is refused in a sentence', async ({ page }) => {
  await page.goto('.');
  await beginSmall(page);
  await reach(page, 2);
  await pause(page);
  const step = await stepOf(page);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Weights' }).click()]);
  const path = test.info().outputPath('mine.safetensors');
  await download.saveAs(path);
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();

  await page.getByRole('link', { name: 'Look inside' }).click();
  const chooser = page.getByLabel('Choose a checkpoint');
  const refusal = page.locator('.trouble');
  await chooser.setInputFiles({ name: 'letter.txt', mimeType: 'text/plain', buffer: Buffer.from('no checkpoint at all, but a letter') });
  await expect(refusal).toContainText(/^“letter\.txt” can’t be looked into: it is no safetensors file \(.+\)\.$/);
  await expect(page.locator('.looked-into')).toHaveText('There is nothing to look into yet.');
  await shot(page, 'inside-refused');

  await chooser.setInputFiles(path);
  await expect(page.locator('.looked-into')).toHaveText(`mine.safetensors, at step ${step} of 500`, { timeout: 60_000 });
  await expect(refusal).toBeHidden();
  await expect(page.locator('#mask .sentence')).toContainText(/agree by −?[01]\.\d\d/);

  // What is looked into stays when the next file is none.
  const torn = test.info().outputPath('torn.safetensors');
  await download.saveAs(torn);
  await truncate(torn, 20_000);
  await chooser.setInputFiles(torn);
  await expect(refusal).toContainText(/^“torn\.safetensors” can’t be looked into: .+\.$/);
  await expect(page.locator('.looked-into')).toHaveText(`mine.safetensors, at step ${step} of 500`);
  const huge = test.info().outputPath('huge.safetensors');
  await writeFile(huge, '');
  await truncate(huge, 3_000_000_000);
  await chooser.setInputFiles(huge);
  await expect(refusal).toContainText('“huge.safetensors” has 3.0 GB, and a page can hold no more than 1.5 GB');
  await writeFile(huge, '');
  await page.locator('#pick [role=gridcell]').nth(3).click();
  await expect(page.locator('#pick > .caption').last()).toContainText('row 1, column 4');

  // A checkpoint that is dropped where runs are trained is looked into, too.
  await page.getByRole('link', { name: 'Train' }).click();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(100)], 'dropped.safetensors'));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await expect(page).toHaveURL(/#inside$/);
  await expect(refusal).toContainText('“dropped.safetensors” can’t be looked into');
});

/** What the page has asked its worker about the network, noted by the test. */
interface Asked {
  asks: { about: string; id: number }[];
  asked: Worker;
}

test('a look goes on after the GPU was lost, and with the visitor’s own images', async ({ page }) => {
  await page.addInitScript(() => {
    const noted = Object.assign(globalThis, { asks: [] }) as unknown as Asked;
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message: { kind?: string; ask?: Asked['asks'][0] }, ...rest: []) {
      if (message.kind === 'ask') noted.asks.push(message.ask!);
      noted.asked = this;
      return post.call(this, message, ...rest);
    };
  });
  await page.goto('.');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await noteDevices(page);
  await beginSmall(page);
  await reach(page, 2);
  await pause(page);
  const step = await stepOf(page);
  await page.getByRole('link', { name: 'Look inside' }).click();
  const known = page.locator('#mask .sentence');
  await expect(known).toContainText(/agree by −?[01]\.\d\d/, { timeout: 60_000 });

  // Several questions fail at one loss: it is opened again once.
  const opened = () => page.evaluate(() => (globalThis as unknown as Asked).asks.filter(({ about }) => about === 'open').length);
  const before = await opened();
  await page.evaluate(() => {
    const { asks, asked } = globalThis as unknown as Asked;
    for (const question of ['attention', 'similarity', 'guesses']) {
      const { id } = asks.filter(({ about }) => about === question).pop()!;
      const answer = { id, about: 'failed', question, why: 'gone', lost: true };
      asked.dispatchEvent(new MessageEvent('message', { data: { kind: 'answer', answer } }));
    }
  });
  await page.waitForTimeout(2500);
  expect(await opened()).toBe(before + 1);
  await expect(known).toContainText(/agree by −?[01]\.\d\d/);

  // The device of the run under way: both come back.
  const alike = '#similarity .beside > div:first-child canvas';
  const cells = page.locator('#pick [role=gridcell]');
  await takeDevice(page);
  await changes(page, alike, () => cells.nth(5).click());
  await expect(page.locator('.looked-into')).toHaveText(`The run under way, at step ${step} of 500`);
  await expect(page.locator('.notice')).toHaveCount(0);

  // After a reload the saved run is looked into, on a device of its own.
  await page.reload();
  await expect(page.locator('.looked-into')).toHaveText(`The run saved in this browser, at step ${step} of 500`, { timeout: 60_000 });
  await noteDevices(page);
  const images = await page.evaluate(async () => {
    const made: string[] = [];
    for (let i = 0; i < 6; i++) {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [64, 48];
      const context = canvas.getContext('2d')!;
      for (let at = 0; at < 64; at += 8) {
        context.fillStyle = `hsl(${i * 60 + at} 70% ${30 + at / 2}%)`;
        context.fillRect(at, 0, 8, 48);
      }
      made.push(canvas.toDataURL('image/png').split(',')[1]!);
    }
    return made;
  });
  await page.evaluate((images) => {
    const data = new DataTransfer();
    images.forEach((text, i) => data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], `${i}.png`, { type: 'image/png' })));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, images);
  await expect(page.locator('#inside .source')).toContainText('Looked at with 6 of your own images', { timeout: 60_000 });
  await expect(page.locator('.strip label')).toHaveCount(6);
  await expect(known).toContainText(/agree by −?[01]\.\d\d/);
  await takeDevice(page);
  await changes(page, alike, () => cells.nth(5).click());
  await expect(page.locator('#inside .source')).toContainText('6 of your own images');
  await changes(page, '#mask .four figure:nth-child(4) canvas', () => page.getByText('Generated images', { exact: true }).click());
  await expect(page.locator('.strip label')).toHaveCount(24);
});

test.describe('a finger', () => {
  test.use({ hasTouch: true, viewport: { width: 390, height: 844 } });

  test('picks a patch and draws a block', async ({ page }) => {
    await page.goto('.');
    await beginSmall(page);
    await reach(page, 2);
    await pause(page);
    await page.getByRole('link', { name: 'Look inside' }).tap();
    const known = page.locator('#mask .sentence');
    await expect(known).toContainText(/^9 of 64 .* agree by −?[01]\.\d\d/, { timeout: 60_000 });
    await page.locator('#pick [role=gridcell]').nth(10).tap();
    await expect(page.locator('#pick > .caption').last()).toContainText('row 2, column 3');

    const board = page.locator('#mask .board');
    await board.scrollIntoViewIfNeeded();
    const box = (await board.boundingBox())!;
    const scrolled = await page.evaluate(() => scrollY);
    const touch = await page.context().newCDPSession(page);
    const at = (column: number, row: number) => [{ x: box.x + ((column + 0.5) * box.width) / 8, y: box.y + ((row + 0.5) * box.height) / 8 }];
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(1, 1) });
    for (let row = 1; row < 7; row++) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(2, row) });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await expect(known).toContainText(/^12 of 64 .* agree by −?[01]\.\d\d/);
    // The page has not scrolled under the finger.
    expect(await page.evaluate(() => scrollY)).toBe(scrolled);
    await page.screenshot({ path: 'tests/shots/inside-finger.png' });
  });
});
