// The visitor's images: found in files, zips and tars, decoded here in the worker. A bad one is named and skipped.
import { unzipSync } from 'fflate';
import { parseTar } from 'nanotar';
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
/** What an archive may unpack to, and a file in it: more is meant to fill the memory. */
const MOST_UNPACKED = 2 ** 30;
const MOST_FILE = 2 ** 28;

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Why an image is not taken, in words for the visitor. */
class Unusable extends Error {}

const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20).toLocaleString('en')} MB`;

const TOO_LARGE = `it unpacks to more than ${megabytes(MOST_UNPACKED)}: unpack it, and choose the folder`;

/** What a gzip unpacks to, as far as an archive may. */
async function gunzip(file: Blob): Promise<Uint8Array> {
  const parts: BlobPart[] = [];
  let size = 0;
  const reader = file.stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value as BlobPart);
    size += value.length;
    if (size > MOST_UNPACKED) {
      await reader.cancel();
      throw new Error(TOO_LARGE);
    }
  }
}

/** The files in an archive that may be images; `skip` hears of those that are too large. */
async function unpack({ name, file }: Source, skip: (name: string, why: string) => void): Promise<Source[]> {
  if (/zip$/i.test(name)) {
    let size = 0;
    const wanted = (entry: { name: string; originalSize: number }) => {
      if (!IMAGE.test(entry.name) || IGNORED.test(entry.name)) return false;
      const { originalSize } = entry;
      if (originalSize > MOST_FILE) {
        skip(entry.name, `it unpacks to ${megabytes(originalSize)}`);
        return false;
      }
      size += originalSize;
      if (size > MOST_UNPACKED) throw new Error(TOO_LARGE);
      return true;
    };
    const entries = unzipSync(new Uint8Array(await file.arrayBuffer()), { filter: wanted });
    return Object.entries(entries).map(([name, data]) => ({ name, file: new Blob([data as BlobPart]) }));
  }
  const items = parseTar(/gz$/i.test(name) ? await gunzip(file) : new Uint8Array(await file.arrayBuffer()));
  return items
    .filter((item) => item.type === 'file' && item.data && IMAGE.test(item.name) && !IGNORED.test(item.name))
    .map((item) => ({ name: item.name, file: new Blob([item.data as BlobPart]) }));
}

/** Decodes, and shrinks what is much larger than the network sees: the short side to at most `side` pixels. */
async function decode({ name, file }: Source, side: number): Promise<Picture> {
  const whole = await createImageBitmap(file);
  try {
    if (whole.width * whole.height > MOST_PIXELS) throw new Unusable(`it has ${whole.width} x ${whole.height} pixels`);
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

const BROKEN = 'the browser can’t decode it';

export class Pictures {
  all: Picture[] = [];
  private sources: Source[] = [];
  private skipped: Reading['skipped'] = [];
  private skippedCount = 0;
  private seen = 0;
  private side = 0;
  private told = 0;
  /** One thing at a time: two drops would mix their images. */
  private turn: Promise<unknown> = Promise.resolve();
  /** How often all was dropped: who reads for an earlier count stops. */
  private dropped = 0;

  /** `tell` hears of what is read, a few times a second. */
  constructor(private tell: (reading: Reading) => void) {}

  private inTurn<T>(what: (mine: number) => Promise<T>): Promise<T> {
    const mine = this.dropped;
    const turn = this.turn.then(() => what(mine));
    this.turn = turn.catch(() => {});
    return turn;
  }

  private skip(name: string, why: string) {
    this.skippedCount++;
    if (this.skipped.length < MOST_NAMED) this.skipped.push({ name, why });
  }

  private say(done: boolean) {
    if (!done && performance.now() - this.told < 250) return;
    this.told = performance.now();
    const folders = done ? foldersOf(this.all.map(({ name }) => name)) : [];
    this.tell({ done, seen: this.seen, images: this.all.length, folders, skipped: this.skipped.slice(), skippedCount: this.skippedCount });
  }

  /** Adds what the files hold, for networks that see `crop` pixels. */
  add(files: Source[], unreadable: string[], crop: number): Promise<void> {
    return this.inTurn(async (mine) => {
      if (mine !== this.dropped) return;
      this.told = 0;
      this.side = Math.max(this.side, 2 * crop); // room for random crops
      this.say(false);
      for (const name of unreadable) {
        this.seen++;
        this.skip(name, 'the system doesn’t let the browser read it');
      }
      for (const file of files) {
        if (IGNORED.test(file.name)) continue;
        for (const source of await this.imagesIn(file)) {
          this.seen++;
          const picture = await this.decoded(source, this.side);
          if (mine !== this.dropped) return this.empty(); // of what was noted since
          if (picture) {
            this.all.push(picture);
            this.sources.push(source);
          }
          this.say(false);
        }
      }
      if (mine !== this.dropped) return this.empty();
      this.say(true);
    });
  }

  /** The image in a file, or the images in an archive; what is neither is skipped. */
  private async imagesIn(file: Source): Promise<Source[]> {
    if (!ARCHIVE.test(file.name)) {
      if (IMAGE.test(file.name) || file.file.type.startsWith('image/')) return [file];
      this.seen++;
      this.skip(file.name, 'not an image of a kind that browsers read');
      return [];
    }
    const before = this.skippedCount;
    const skip = (name: string, why: string) => {
      this.seen++;
      this.skip(name, why);
    };
    try {
      const found = await unpack(file, skip);
      if (!found.length && this.skippedCount === before) this.skip(file.name, 'the archive holds no images');
      return found;
    } catch (error) {
      this.skip(file.name, `not a readable archive (${reason(error)})`);
      return [];
    }
  }

  private async decoded(source: Source, side: number): Promise<Picture | null> {
    try {
      return await decode(source, side);
    } catch (error) {
      this.skip(source.name, error instanceof Unusable ? error.message : BROKEN);
      return null;
    }
  }

  /** Decodes again what was shrunk for a smaller network, when all is read. Gives the number of images. */
  fit(crop: number): Promise<number> {
    return this.inTurn(async (mine) => {
      const side = 2 * crop;
      if (side > this.side && this.sources.length) {
        const all: Picture[] = [];
        const sources: Source[] = [];
        for (const source of this.sources) {
          const picture = await this.decoded(source, side);
          if (mine !== this.dropped) {
            this.empty();
            return 0;
          }
          if (!picture) continue; // its file may be gone by now
          all.push(picture);
          sources.push(source);
        }
        Object.assign(this, { all, sources, side });
        this.say(true);
      }
      return this.all.length;
    });
  }

  /** Forgets all, and what is being read, too. */
  clear() {
    this.dropped++;
    this.empty();
    this.say(true);
  }

  private empty() {
    Object.assign(this, { all: [], sources: [], skipped: [], skippedCount: 0, seen: 0, side: 0 });
  }
}
