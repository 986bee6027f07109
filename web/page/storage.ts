// The run in the browser's own storage (OPFS): one file, replaced as a whole, so that a crash leaves the one before. The
// visitor's images lie in a file of their own, which is written once for a run, before the run that names it.
import type { Course, Saved } from './messages';
import type { Picture } from './pictures';

const RUN = 'run.ijepa';
const IMAGES = /^images.*\.ijepa$/;
/** Below this the visitor's images are kept beside the run. */
const MOST_IMAGE_BYTES = 1 << 30;

/** What is kept of a run, beside the checkpoint. */
export interface Head extends Saved {
  course: Course;
  csv: string;
  /** The file that the visitor's images are in; null: there are none, or they are not kept yet. */
  images: string | null;
}

const ELSEWHERE = 'another tab keeps its run there';

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
  if (!claimed) throw new Error(ELSEWHERE);
  await write(RUN, head, [checkpoint as BlobPart]);
  await forgetImages(head.images);
}

export async function savedRun(): Promise<{ head: Head; body: Blob } | null> {
  const found = await read<Head>(RUN);
  return found && found.body.size > 0 && Number.isFinite(found.head.step) ? found : null;
}

/** Whether the run can go on: it can't without its images. */
export async function canGoOn({ own, images }: Head): Promise<boolean> {
  if (!own) return true;
  const found = images ? await read<Listed[]>(images) : null;
  const bytes = found?.head.reduce((sum, { width, height }) => sum + 4 * width * height, 0);
  return found !== null && found.head.length === own && found.body.size === bytes;
}

export async function forgetRun() {
  if (!claimed) return;
  try {
    const folder = await navigator.storage.getDirectory();
    await folder.removeEntry(RUN).catch(() => {});
    await forgetImages(null);
  } catch {
    // without storage there is nothing to forget
  }
}

/** Deletes all files of images but the one that the run in storage names. */
export async function forgetImages(but: string | null) {
  if (!claimed) return;
  const folder = await navigator.storage.getDirectory();
  for await (const name of folder.keys()) {
    if (IMAGES.test(name) && name !== but) await folder.removeEntry(name).catch(() => {});
  }
}

type Listed = Omit<Picture, 'rgba'>;

/** Why so many images are not kept; null: they are. */
export function tooManyImages(pictures: Picture[]): string | null {
  const bytes = pictures.reduce((sum, { rgba }) => sum + rgba.length, 0);
  const mega = (bytes: number) => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MB`;
  return bytes > MOST_IMAGE_BYTES ? `your images take ${mega(bytes)}, and ${mega(MOST_IMAGE_BYTES)} are kept at most` : null;
}

/** Gives the name of the file that they are in. */
export async function saveImages(pictures: Picture[]): Promise<string> {
  if (!claimed) throw new Error(ELSEWHERE);
  const why = tooManyImages(pictures);
  if (why) throw new Error(why);
  const list: Listed[] = pictures.map(({ name, width, height }) => ({ name, width, height }));
  const name = `images-${Date.now()}.ijepa`;
  await write(name, list, pictures.map(({ rgba }) => rgba as BlobPart));
  return name;
}

export async function savedImages(name: string): Promise<Picture[] | null> {
  const found = await read<Listed[]>(name);
  if (!found) return null;
  const bytes = new Uint8Array(await found.body.arrayBuffer());
  let at = 0;
  return found.head.map((picture) => {
    const rgba = bytes.subarray(at, (at += 4 * picture.width * picture.height));
    return { ...picture, rgba };
  });
}
