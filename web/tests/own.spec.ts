// The visitor's own images: files, folders, archives, drops and pastes; what is broken is named and skipped.
import { mkdir, writeFile } from 'node:fs/promises';
import { zipSync } from 'fflate';
import { createTar } from 'nanotar';
import { barriers, beginSmall, expect, noteDevices, pause, reach, shot, stepOf, takeDevice, test } from './page';
import type { Page } from '@playwright/test';

/** PNGs of stripes in two kinds of direction, drawn by the browser. */
async function pngs(page: Page, count: number): Promise<Buffer[]> {
  const texts = await page.evaluate(async (count) => {
    const made: string[] = [];
    for (let i = 0; i < count; i++) {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [60 + (i % 5), 48];
      const context = canvas.getContext('2d')!;
      for (let at = 0; at < 70; at += 7) {
        context.fillStyle = `hsl(${(i * 47 + at * 3) % 360} 70% ${30 + (at % 40)}%)`;
        if (i % 2) context.fillRect(at, 0, 5, 48);
        else context.fillRect(0, at, 70, 5);
      }
      made.push(canvas.toDataURL('image/png').split(',')[1]!);
    }
    return made;
  }, count);
  return texts.map((text) => Buffer.from(text, 'base64'));
}

/** The files of images in the browser's storage. */
const keptImages = (page: Page) =>
  page.evaluate(async () => {
    const names: string[] = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) if (name.startsWith('images')) names.push(name);
    return names;
  });

test('a zip with folders trains, and a broken file in it is named', async ({ page }) => {
  await page.goto('.');
  const images = await pngs(page, 24);
  const entries = Object.fromEntries(images.map((bytes, i) => [`stripes/${i % 2 ? 'up' : 'across'}/${i}.png`, new Uint8Array(bytes)]));
  entries['stripes/up/broken.png'] = new Uint8Array([1, 2, 3]);
  entries['stripes/notes.txt'] = new Uint8Array([65]);
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await page.locator('#files').setInputFiles([
    { name: 'stripes.zip', mimeType: 'application/zip', buffer: Buffer.from(zipSync(entries)) },
    { name: 'torn.zip', mimeType: 'application/zip', buffer: Buffer.from('no archive') },
    { name: '<img src=x onerror=alert(1)>.png', mimeType: 'image/png', buffer: Buffer.from('nothing') },
  ]);
  await expect(page.locator('#images-state')).toContainText('24 images in 2 folders: across, up');
  await page.getByText('3 files skipped').click();
  await expect(page.locator('#skipped-list')).toContainText('stripes/up/broken.png: the browser can’t decode it');
  await expect(page.locator('#skipped-list')).toContainText('torn.zip: not a readable archive');
  await expect(page.locator('#skipped-list')).toContainText('<img src=x onerror=alert(1)>.png');

  // More in a batch than there are images.
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(page.locator('#why-batch')).toContainText('your 24 images');
  await page.locator('#settings > summary').click();
  await noteDevices(page);
  await beginSmall(page);
  await reach(page, 3);
  await pause(page);
  // What is dropped meanwhile is not the run's: it comes back with what it had.
  await page.locator('#files').setInputFiles(images.slice(0, 3).map((buffer, i) => ({ name: `${i}.png`, mimeType: 'image/png', buffer })));
  await expect(page.locator('#images-state')).toContainText('27 images');
  await page.getByRole('button', { name: 'Continue' }).click();
  await reach(page, 5);
  await takeDevice(page);
  await expect(page.locator('.notice')).toContainText('Training goes on from step');
  await expect(page.locator('.notice')).toHaveCount(0, { timeout: 30_000 });
  await reach(page, (await stepOf(page)) + 1);
  await pause(page);
  await expect(page.locator('#doing')).toContainText('24 of your images');
  await expect(page.locator('#knn-now')).toContainText('%');
  await shot(page, 'own-images');
  expect(await barriers(page)).toEqual([]);

  await page.reload();
  await expect(page.locator('.notice')).toContainText('your own 24 images');
  expect(await keptImages(page)).toHaveLength(1);
  await page.locator('.notice').getByRole('button', { name: 'Continue' }).click();
  await reach(page, 8);

  // Without its images a run can't go on, and is not offered.
  await page.evaluate(async (name) => (await navigator.storage.getDirectory()).removeEntry(name!), (await keptImages(page))[0]);
  await page.reload();
  await expect(page.locator('#train')).toBeEnabled();
  await expect(page.locator('.notice')).toHaveCount(0);
});

test('images that storage refuses: the page says so, and the run before stays as it is', async ({ page }) => {
  await page.goto('.');
  const images = await pngs(page, 8);
  const give = (count: number) => page.locator('#files').setInputFiles(images.slice(0, count).map((buffer, i) => ({ name: `${i}.png`, mimeType: 'image/png', buffer })));
  await expect(page.locator('#train')).toBeEnabled();
  await give(6);
  await beginSmall(page);
  await reach(page, 2);
  await pause(page);
  const before = await keptImages(page);
  await page.reload();
  await expect(page.locator('.notice')).toContainText('your own 6 images');

  await page.workers()[0]!.evaluate(() => {
    const { prototype } = FileSystemFileHandle;
    const open = prototype.createWritable;
    prototype.createWritable = function (options) {
      return this.name.startsWith('images') ? Promise.reject(new Error('storage is full')) : open.call(this, options);
    };
  });
  await give(8);
  await beginSmall(page);
  await reach(page, 2);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.locator('#saved')).toContainText('not saved (storage is full)');
  await page.reload();
  await expect(page.locator('.notice')).toContainText('your own 6 images');
  expect(await keptImages(page)).toEqual(before);
  await page.locator('.notice').getByRole('button', { name: 'Continue' }).click();
  await reach(page, 4);
});

test('a drop, a paste, and a tar of a thousand images, while the page stays free', async ({ page }) => {
  await page.goto('.');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  const images = await pngs(page, 4);
  const give = (kind: 'drop' | 'paste', bytes: Buffer, name: string) =>
    page.evaluate(
      ({ kind, text, name }) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type: 'image/png' }));
        const event = kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }) : new ClipboardEvent('paste', { clipboardData: data });
        document.body.dispatchEvent(kind === 'drop' ? event : new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
      },
      { kind, text: bytes.toString('base64'), name },
    );
  await give('drop', images[0]!, 'dropped.png');
  await expect(page.locator('#images-state')).toContainText('1 image.');
  await give('paste', images[1]!, 'pasted.png');
  await expect(page.locator('#images-state')).toContainText('2 images.');

  await page.evaluate(() => {
    const longest = { duration: 0 };
    Object.assign(globalThis, { longest });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest.duration = Math.max(longest.duration, duration);
    }).observe({ type: 'longtask' });
  });
  const many = Array.from({ length: 1000 }, (_, i) => ({ name: `many/${i % 10}/${i}.png`, data: new Uint8Array(images[i % 4]!) }));
  // From the disk: bytes that Playwright hands over are unpacked on the page's own thread.
  const tar = test.info().outputPath('many.tar');
  await writeFile(tar, createTar(many));
  await page.locator('#files').setInputFiles(tar);
  await expect(page.locator('#images-state')).toContainText('1,002 images in 11 folders', { timeout: 30_000 });
  expect(await page.evaluate(() => (globalThis as unknown as { longest: { duration: number } }).longest.duration)).toBeLessThan(50);

  const folder = test.info().outputPath('animals');
  for (const [i, kind] of ['cats', 'dogs', 'dogs'].entries()) {
    await mkdir(`${folder}/${kind}`, { recursive: true });
    await writeFile(`${folder}/${kind}/${i}.png`, images[i]!);
  }
  await page.locator('#folder').setInputFiles(folder);
  await expect(page.locator('#images-state')).toContainText('1,005 images in 13 folders');

  // Two at once do not mix, what systems add to archives is no image, and what is being read can be left.
  const forget = page.getByRole('button', { name: 'Use the generated images' });
  await forget.click();
  const small = (folder: string) => createTar([...many.slice(0, 30).map(({ name, data }) => ({ name: folder + name, data })), { name: `${folder}._0.png`, data: new Uint8Array(9) }]);
  await page.locator('#files').setInputFiles(['a/', 'b/'].map((folder) => ({ name: `${folder[0]}.tar`, mimeType: 'application/x-tar', buffer: Buffer.from(small(folder)) })));
  await page.locator('#files').setInputFiles({ name: 'c.tar', mimeType: 'application/x-tar', buffer: Buffer.from(small('c/')) });
  await expect(page.locator('#images-state')).toContainText('90 images');
  await expect(page.locator('#skipped')).toBeHidden();
  await page.locator('#files').setInputFiles(tar);
  await expect(page.locator('#images-state')).toContainText('Reading…');
  await forget.click();
  await expect(page.locator('#images-state')).toContainText('4,000 generated images');
  await page.waitForTimeout(1000);
  await expect(page.locator('#images-state')).toContainText('4,000 generated images');
  await expect(forget).toBeHidden();

  // An entry that the system does not give is named; the others are taken.
  await page.evaluate(() => {
    const locked = { isFile: true, name: 'locked.png', file: (_: unknown, failed: (error: Error) => void) => failed(new Error('no permission')) };
    DataTransferItem.prototype.webkitGetAsEntry = () => locked as unknown as FileSystemEntry;
  });
  await give('drop', images[0]!, 'locked.png');
  await expect(page.locator('#skipped-count')).toHaveText('1 file skipped');
  await expect(page.locator('#skipped-list')).toContainText('locked.png: the system doesn’t let');
});
