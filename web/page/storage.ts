// The run in the browser's own storage (OPFS): one file, replaced as a whole, so that a crash leaves the one before.
import type { Course, Saved } from './messages';
import type { Picture } from './pictures';

const RUN = 'run.ijepa';
const IMAGES = 'images.ijepa';
/** Below this the visitor's images are kept beside the run. */
const MOST_IMAGE_BYTES = 1 << 30;

/** What is kept of a run, beside the checkpoint. */
export interface Head extends Saved {
  course: Course;
  csv: string;
}

let claimed = false;

/** Only one tab at a time may keep its run here. One that was just closed may take a moment to let go. */
export async function claim(): Promise<boolean> {
  claimed = await new Promise<boolean>((resolve) => {
    const hold = () => {
      resolve(true);
      return new Promise(() => {}); // as long as this worker lives
    };
    navigator.locks.request('ijepa.run', { signal: AbortSignal.timeout(1500) }, hold).catch(() => resolve(false));
  });
  return claimed;
}

async function write(name: string, head: object, bodies: BlobPart[]) {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const folder = await navigator.storage.getDirectory();
  const file = await (await folder.getFileHandle(name, { create: true })).createWritable();
  try {
    await file.write(new Blob([new Uint32Array([text.length]), text, ...bodies]));
    await file.close(); // only now the old content gives way
  } catch (error) {
    await file.abort().catch(() => {});
    throw error;
  }
}

async function read<T>(name: string): Promise<{ head: T; body: Blob } | null> {
  try {
    const folder = await navigator.storage.getDirectory();
    const file = await (await folder.getFileHandle(name)).getFile();
    const length = new Uint32Array(await file.slice(0, 4).arrayBuffer())[0] ?? 0;
    const head = JSON.parse(await file.slice(4, 4 + length).text());
    return { head, body: file.slice(4 + length) };
  } catch {
    return null; // there is none, or it is none of ours
  }
}

export async function saveRun(head: Head, checkpoint: Uint8Array) {
  if (!claimed) throw new Error('another tab keeps its run there');
  await write(RUN, head, [checkpoint as BlobPart]);
}

export async function savedRun(): Promise<{ head: Head; body: Blob } | null> {
  const found = await read<Head>(RUN);
  return found && found.body.size > 0 && Number.isFinite(found.head.step) ? found : null;
}

export async function forgetRun() {
  if (!claimed) return;
  try {
    const folder = await navigator.storage.getDirectory();
    for (const name of [RUN, IMAGES]) await folder.removeEntry(name).catch(() => {});
  } catch {
    // without storage there is nothing to forget
  }
}

/** False: they are too many to be kept. */
export async function saveImages(pictures: Picture[]): Promise<boolean> {
  const bytes = pictures.reduce((sum, { rgba }) => sum + rgba.length, 0);
  if (!claimed || bytes > MOST_IMAGE_BYTES) return false;
  const list = pictures.map(({ name, width, height }) => ({ name, width, height }));
  await write(IMAGES, list, pictures.map(({ rgba }) => rgba as BlobPart));
  return true;
}

export async function savedImages(): Promise<Picture[] | null> {
  const found = await read<Omit<Picture, 'rgba'>[]>(IMAGES);
  if (!found) return null;
  const bytes = new Uint8Array(await found.body.arrayBuffer());
  let at = 0;
  return found.head.map((picture) => {
    const rgba = bytes.subarray(at, (at += 4 * picture.width * picture.height));
    return { ...picture, rgba };
  });
}
