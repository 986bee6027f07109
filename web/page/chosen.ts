// The images that the visitor gave, in words: how many were read, from which folders, and which files were skipped.
import { element, make, write } from './make';
import type { Reading } from './messages';

const NONE: Reading = { done: true, seen: 0, images: 0, folders: [], skipped: [], skippedCount: 0 };
const number = (n: number, what: string) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;

export class Chosen {
  private reading = NONE;

  /** `uses`: what becomes of so many images, in a sentence. */
  constructor(private uses: (images: number) => string) {}

  get count(): number {
    return this.reading.images;
  }

  /** How many there are, once all is read. */
  get final(): number {
    return this.reading.done ? this.count : 0;
  }

  /** There are some, or there may be when all is read. */
  get any(): boolean {
    return this.count > 0 || !this.reading.done;
  }

  describe() {
    const { done, seen, images: count, folders } = this.reading;
    let text = 'Training uses 4,000 generated images of ten shapes.';
    if (!done) text = `Reading… ${number(count, 'image')} so far`;
    else if (count) {
      const shown = folders.slice(0, 8).map((folder) => folder || 'none').join(', ') + (folders.length > 8 ? ', …' : '');
      const where = folders.length ? ` in ${number(folders.length, 'folder')}: ${shown}` : '';
      text = `${number(count, 'image')}${where}. ${this.uses(count)}`;
    } else if (seen) text = 'No image could be read. Training uses the generated images.';
    write('images-state', text);
  }

  show(reading: Reading) {
    this.reading = reading;
    this.describe();
    element('forget-images').hidden = !this.any;
    element('skipped').hidden = !reading.skippedCount;
    write('skipped-count', `${number(reading.skippedCount, 'file')} skipped`);
    const list = element('skipped-list');
    if (list.childElementCount !== reading.skipped.length) {
      list.replaceChildren(...reading.skipped.map(({ name, why }) => make('li', {}, `${name}: ${why}`)));
    }
  }

  forget() {
    this.show(NONE);
  }
}
