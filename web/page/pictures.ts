// The visitor's images: found in files, zips and tars, decoded here in the worker. A bad one is named and skipped.
import { unzipSync } from 'fflate';
import { parseTar, parseTarGzip } from 'nanotar';
import { ARCHIVE, IMAGE } from './kinds';
import type { Reading } from './messages';

export interface Picture {
  name: string;
  width: number;
  height: number;
  rgba: Uint8Array;
}

interface Source {
  name: string;
  file: Blob;
}

/** Names that systems leave in folders and archives; no one means them as images. */
const IGNORED = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$)/i;
const MOST_PIXELS = 100_000_000;
const MOST_NAMED = 100;

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function unpack({ name, file }: Source): Promise<Source[]> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (/zip$/i.test(name)) {
    const wanted = (entry: { name: string }) => IMAGE.test(entry.name) && !IGNORED.test(entry.name);
    const entries = unzipSync(bytes, { filter: wanted });
    return Object.entries(entries).map(([name, data]) => ({ name, file: new Blob([data as BlobPart]) }));
  }
  const items = /gz$/i.test(name) ? await parseTarGzip(bytes) : parseTar(bytes);
  return items
    .filter((item) => item.type === 'file' && item.data && IMAGE.test(item.name))
    .map((item) => ({ name: item.name, file: new Blob([item.data as BlobPart]) }));
}

/** Decodes, and shrinks what is much larger than the network sees: the short side to at most `side` pixels. */
async function decode({ name, file }: Source, side: number): Promise<Picture> {
  const whole = await createImageBitmap(file);
  try {
    if (whole.width * whole.height > MOST_PIXELS) throw new Error(`it has ${whole.width} x ${whole.height} pixels`);
    const scale = Math.min(1, side / Math.min(whole.width, whole.height));
    const width = Math.max(1, Math.round(whole.width * scale));
    const height = Math.max(1, Math.round(whole.height * scale));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('there is no memory for it');
    context.imageSmoothingQuality = 'high';
    context.fillStyle = '#808080'; // what shows through transparent images
    context.fillRect(0, 0, width, height);
    context.drawImage(whole, 0, 0, width, height);
    return { name, width, height, rgba: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer) };
  } finally {
    whole.close();
  }
}

/** The folders that images lie in directly, if there is more than one: likely their classes. */
function foldersOf(names: string[]): string[] {
  const found = new Set(names.map((name) => name.split('/').at(-2) ?? ''));
  return found.size > 1 ? [...found].sort() : [];
}

export class Pictures {
  all: Picture[] = [];
  private sources: Source[] = [];
  private skipped: Reading['skipped'] = [];
  private skippedCount = 0;
  private seen = 0;
  private side = 0;

  private skip(name: string, why: string) {
    this.skippedCount++;
    if (this.skipped.length < MOST_NAMED) this.skipped.push({ name, why });
  }

  private reading(done: boolean): Reading {
    const folders = done ? foldersOf(this.all.map(({ name }) => name)) : [];
    return { done, seen: this.seen, images: this.all.length, folders, skipped: this.skipped.slice(), skippedCount: this.skippedCount };
  }

  /** Adds what the files hold, for networks that see `crop` pixels. `tell` hears of it a few times a second. */
  async add(files: Source[], crop: number, tell: (reading: Reading) => void) {
    this.side = 2 * crop; // room for random crops
    let told = 0;
    for (const source of files) {
      if (IGNORED.test(source.name)) continue;
      let sources = [source];
      if (ARCHIVE.test(source.name)) {
        try {
          sources = await unpack(source);
          if (!sources.length) this.skip(source.name, 'the archive holds no images');
        } catch (error) {
          this.skip(source.name, `not a readable archive (${reason(error)})`);
          continue;
        }
      } else if (!IMAGE.test(source.name) && !source.file.type.startsWith('image/')) {
        this.seen++;
        this.skip(source.name, 'not an image of a kind that browsers read');
        continue;
      }
      for (const one of sources) {
        this.seen++;
        try {
          this.all.push(await decode(one, this.side));
          this.sources.push(one);
        } catch {
          this.skip(one.name, 'the browser can’t decode it');
        }
        if (performance.now() - told > 250) {
          told = performance.now();
          tell(this.reading(false));
        }
      }
    }
    tell(this.reading(true));
  }

  /** Decodes again what was shrunk for a smaller network. */
  async fit(crop: number) {
    if (2 * crop <= this.side || !this.sources.length) return;
    this.side = 2 * crop;
    const again: Picture[] = [];
    for (const source of this.sources) again.push(await decode(source, this.side));
    this.all = again;
  }

  clear() {
    Object.assign(this, new Pictures());
  }
}
