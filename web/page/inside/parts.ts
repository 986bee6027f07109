// Small parts that the panels share.
import { make } from '../make';

/** A panel with its title and a sentence of what one looks at. */
export function panel(id: string, title: string, caption: string, className: string, ...tools: Node[]): HTMLElement {
  const head = make('header', {}, make('h3', { id: `${id}-title`, textContent: title }), ...tools);
  const element = make('section', { className: `panel ${className}`, id }, head, make('p', { className: 'caption', textContent: caption }));
  element.setAttribute('aria-labelledby', `${id}-title`);
  return element;
}

export interface Choices {
  element: HTMLElement;
  value(): string;
  /** Takes other choices; the one that is chosen stays where there still is one of its value. */
  offer(choices: [value: string, label: string][], wanted?: string): void;
}

/** A few choices of which one holds, as buttons in a row; the arrow keys go from one to the next. */
export function choices(name: string, title: string, list: [value: string, label: string][], changed: (value: string) => void): Choices {
  const element = make('div', { className: 'choices' });
  element.setAttribute('role', 'radiogroup');
  element.setAttribute('aria-label', title);
  const value = () => element.querySelector<HTMLInputElement>('input:checked')?.value ?? '';
  const offer = (list: [string, string][], wanted = value()) => {
    const found = list.find(([value]) => value === wanted) ?? list[0];
    element.replaceChildren(
      ...list.map(([value, label]) =>
        make('label', {}, make('input', { type: 'radio', name, value, checked: value === found?.[0] }), make('span', { textContent: label })),
      ),
    );
  };
  offer(list);
  element.addEventListener('change', () => changed(value()));
  return { element, value, offer };
}

/** A picture with a word below it. */
export function figure(name: string): { element: HTMLElement; canvas: HTMLCanvasElement; caption: HTMLElement } {
  const canvas = make('canvas');
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', name);
  const caption = make('figcaption', { textContent: name });
  return { element: make('figure', {}, canvas, caption), canvas, caption };
}

/** The heat maps' colours with the numbers at their ends. */
export function legend(): { element: HTMLElement; set(low: string, high: string): void } {
  const [from, to] = [make('span'), make('span')];
  const element = make('p', { className: 'legend' }, from, make('i'), to);
  return {
    element,
    set(low, high) {
      from.textContent = low;
      to.textContent = high;
    },
  };
}

/** As many canvases in a place as there are things, made once and used again. */
export function tiles(place: HTMLElement, count: number): { canvas: HTMLCanvasElement; caption: HTMLElement }[] {
  while (place.childElementCount > count) place.lastElementChild!.remove();
  while (place.childElementCount < count) place.append(figure('').element);
  return Array.from(place.children, (one) => ({ canvas: one.querySelector('canvas')!, caption: one.querySelector('figcaption')! }));
}

/** Two decimals, with a true minus, and none before a zero. */
export const two = (value: number) => value.toFixed(2).replace(/^-(?=0\.00$)/, '').replace('-', '−');
export const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
