// The first images of the set, of which one is looked at.
import { make } from '../make';
import { fill, square, type ImageSet } from './maps';

const SHOWN = 24;

export class Strip {
  readonly element = make('div', { className: 'strip' });
  private at = 0;

  constructor(private chosen: (image: number) => void) {
    this.element.setAttribute('role', 'radiogroup');
    this.element.setAttribute('aria-label', 'Image to look at');
    this.element.addEventListener('change', (event) => {
      this.at = Number((event.target as HTMLInputElement).value);
      this.chosen(this.at);
    });
  }

  get image(): number {
    return this.at;
  }

  show(set: ImageSet) {
    const count = Math.min(SHOWN, set.count);
    if (this.at >= count) this.at = 0;
    const thumbs = Array.from({ length: count }, (_, image) => {
      const input = make('input', { type: 'radio', name: 'image', value: String(image), checked: image === this.at });
      input.setAttribute('aria-label', set.name(image));
      const canvas = make('canvas');
      canvas.setAttribute('aria-hidden', 'true');
      fill(square(canvas, set.subject.grid, 96), set.image(image));
      return make('label', { title: set.name(image) }, input, canvas);
    });
    this.element.replaceChildren(...thumbs);
  }
}
