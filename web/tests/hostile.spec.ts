// Files that are broken, or made to break: each is named with a reason and skipped, and the page trains on with the rest.
import { deflateSync, gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { createTar } from 'nanotar';
import { beginSmall, expect, reach, test } from './page';

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(kind: string, body: Uint8Array): Buffer {
  const [head, name, tail] = [Buffer.alloc(4), Buffer.from(kind), Buffer.alloc(4)];
  head.writeUInt32BE(body.length);
  tail.writeUInt32BE(crc32(Buffer.concat([name, body])));
  return Buffer.concat([head, name, body, tail]);
}

/** A PNG that says it has these sides; its pixels are as many as `rows` rows, all of one grey. */
function png(width: number, height: number, rows: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const line = Buffer.alloc(rows && width + 1, 77);
  line[0] = 0; // no filter
  const pixels = deflateSync(Buffer.concat(Array<Buffer>(rows).fill(line)), { level: 1 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

/** The zip with another number at `offset` from the start of its only entry in the directory. */
function lying(zip: Buffer, offset: number, value: number): Buffer {
  const copy = Buffer.from(zip);
  copy.writeUInt32LE(value, copy.lastIndexOf('PK\x01\x02', undefined, 'latin1') + offset);
  return copy;
}

/** What is named of an archive in whose place one of its files is skipped. */
const INSIDE: Record<string, string> = { 'bomb.zip': 'bomb.png', 'lying.zip': 'a.png' };

test('files that are broken, or made to break', async ({ page }) => {
  await page.goto('.');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  const jpeg = Buffer.from(
    await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(64, 64);
      const context = canvas.getContext('2d')!;
      for (let i = 0; i < 64; i++) (context.fillStyle = `hsl(${i * 31} 80% 50%)`), context.fillRect(i, (i * 7) % 64, 20, 20);
      return Array.from(new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg' })).arrayBuffer()));
    }),
  );
  const good = png(64, 48, 48);
  const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 255));
  const bomb = Buffer.from(zipSync({ 'bomb.png': new Uint8Array(300 << 20) }, { level: 1 }));
  const inside = Buffer.from(createTar([{ name: 'in.png', data: new Uint8Array(good) }]));
  const tar = Buffer.from(inside);
  tar.write('77777777777\0', 124, 'latin1'); // 8 GiB, says the size
  const wrongs: [string, Buffer][] = [
    ['torn.png', good.subarray(0, 40)],
    ['torn.jpg', jpeg.subarray(0, 300)],
    ['empty.png', Buffer.alloc(0)],
    ['noise.png', noise],
    ['monster.png', png(2 ** 31 - 1, 2 ** 31 - 1, 0)],
    ['large.png', png(10_001, 10_000, 10_000)],
    ['wide.png', png(30_000, 30_000, 1)],
    ['bomb.zip', bomb],
    ['lying.zip', lying(Buffer.from(zipSync({ 'a.png': new Uint8Array(good) }, { level: 0 })), 24, 3 * 2 ** 30)],
    ['gigantic.tgz', gzipSync(Buffer.alloc(1030 * 2 ** 20), { level: 1 })],
    ['torn.zip', bomb.subarray(0, bomb.length - 30)],
    ['lying.tar', tar],
    ['noise.tar', noise],
    ['noise.tar.gz', noise],
    ['empty.zip', Buffer.alloc(0)],
  ];
  const files = [...wrongs, ...Array.from({ length: 8 }, (_, i): [string, Buffer] => [`good/${i}.png`, i % 2 ? good : jpeg])];
  await page.locator('#files').setInputFiles(files.map(([name, buffer]) => ({ name, mimeType: '', buffer })));
  await expect(page.locator('#images-state')).toContainText('8 images', { timeout: 60_000 });
  await page.locator('#skipped > summary').click();
  const list = page.locator('#skipped-list');
  await expect(page.locator('#skipped-count')).toHaveText(`${wrongs.length} files skipped`);
  for (const [name] of wrongs) {
    const line = list.locator('li', { hasText: INSIDE[name] ?? name }).first();
    await expect(line).toHaveText(/: \S.{10}/); // a reason after the name
  }
  await expect(list).toContainText('large.png: it has 10001 x 10000 pixels');
  await expect(list).toContainText('bomb.png: it unpacks to 300 MB');
  await expect(list).toContainText('gigantic.tgz: not a readable archive (it unpacks to more than 1,024 MB');
  await beginSmall(page);
  await reach(page, 2);
  await expect(page.locator('#doing')).toContainText('8 of your images');
});
