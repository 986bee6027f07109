// An image whose patches can be pointed at: with the mouse, a finger or the arrow keys. A grid in the sense of ARIA lies over
// the canvas, one cell for each patch, of which the keyboard has one at a time.
import { make } from '../make';
import { place } from './maps';

export interface Hand {
  /** The cursor has come to a patch; `extended`: with Shift held, as a block grows from where it was. */
  moved?(patch: number, extended: boolean): void;
  /** Enter or Space. */
  pressed(patch: number): void;
  /** The pointer went down on a patch, and goes on to another with it down. */
  down?(patch: number): void;
  dragged?(patch: number): void;
  /** The pointer is over a patch, up or down. */
  over?(patch: number): void;
}

export class Board {
  readonly canvas = make('canvas');
  readonly element: HTMLElement;
  private cells: HTMLElement[] = [];
  private grid = 0;
  private at = 0;
  private pressed = false;

  constructor(
    private name: string,
    private hand: Hand,
    many = false,
  ) {
    this.canvas.setAttribute('aria-hidden', 'true');
    this.element = make('div', { className: many ? 'board many' : 'board' }, this.canvas);
    this.element.addEventListener('keydown', (event) => this.key(event));
    this.listen();
  }

  /** Takes a new grid of patches; the cursor goes to its middle. */
  shape(grid: number) {
    if (grid === this.grid) return;
    this.grid = grid;
    this.element.querySelector('.cells')?.remove();
    const table = make('div', { className: 'cells' });
    table.setAttribute('role', 'grid');
    table.setAttribute('aria-label', this.name);
    if (this.element.classList.contains('many')) table.setAttribute('aria-multiselectable', 'true');
    table.style.gridTemplate = `repeat(${grid}, minmax(0, 1fr)) / repeat(${grid}, minmax(0, 1fr))`;
    this.cells = [];
    for (let row = 0; row < grid; row++) {
      const line = make('div', { className: 'row' });
      line.setAttribute('role', 'row');
      for (let column = 0; column < grid; column++) {
        const cell = make('div', { className: 'cell', tabIndex: -1 });
        cell.setAttribute('role', 'gridcell');
        cell.setAttribute('aria-label', place(row * grid + column, grid));
        cell.setAttribute('aria-selected', 'false');
        this.cells.push(cell);
        line.append(cell);
      }
      table.append(line);
    }
    this.element.append(table);
    this.put(Math.floor(grid / 2) * grid + Math.floor(grid / 2));
  }

  get cursor(): number {
    return this.at;
  }

  /** Puts the cursor on a patch without focus. */
  put(patch: number) {
    this.cells[this.at]?.setAttribute('tabindex', '-1');
    this.at = patch;
    this.cells[patch]?.setAttribute('tabindex', '0');
  }

  /** What the cells show and say: whether each is chosen, and a word about it. */
  mark(chosen: (patch: number) => boolean, word: (patch: number) => string = () => '') {
    this.cells.forEach((cell, patch) => {
      cell.setAttribute('aria-selected', String(chosen(patch)));
      const text = word(patch);
      cell.setAttribute('aria-label', text ? `${place(patch, this.grid)}: ${text}` : place(patch, this.grid));
    });
  }

  /** A short text in a cell, where cells are large enough for one. */
  write(text: (patch: number) => string) {
    this.cells.forEach((cell, patch) => (cell.textContent = this.grid <= 10 ? text(patch) : ''));
  }

  private key(event: KeyboardEvent) {
    const { grid } = this;
    const [column, row] = [this.at % grid, Math.floor(this.at / grid)];
    const to = {
      ArrowLeft: [column - 1, row],
      ArrowRight: [column + 1, row],
      ArrowUp: [column, row - 1],
      ArrowDown: [column, row + 1],
      Home: [0, event.ctrlKey ? 0 : row],
      End: [grid - 1, event.ctrlKey ? grid - 1 : row],
    }[event.key];
    if (to) {
      event.preventDefault();
      const within = (at: number) => Math.min(grid - 1, Math.max(0, at));
      const patch = within(to[1]!) * grid + within(to[0]!);
      this.put(patch);
      this.cells[patch]!.focus();
      this.hand.moved?.(patch, event.shiftKey);
    } else if (event.key === ' ' || event.key === 'Enter') {
      event.preventDefault();
      this.hand.pressed(this.at);
    }
  }

  /** The patch under the pointer; the nearest one where it has left the image. */
  private under(event: PointerEvent): number {
    const box = this.element.getBoundingClientRect();
    const along = (at: number, from: number, length: number) => Math.min(this.grid - 1, Math.max(0, Math.floor(((at - from) / length) * this.grid)));
    return along(event.clientY, box.top, box.height) * this.grid + along(event.clientX, box.left, box.width);
  }

  private listen() {
    const { element, hand } = this;
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || !event.isPrimary || !this.grid) return;
      const patch = this.under(event);
      this.put(patch);
      if (!hand.down) return; // a click is enough
      event.preventDefault();
      this.cells[patch]!.focus({ preventScroll: true });
      this.pressed = true;
      element.setPointerCapture(event.pointerId);
      hand.down(patch);
    });
    element.addEventListener('pointermove', (event) => {
      if (!this.grid) return;
      const patch = this.under(event);
      if (this.pressed && patch !== this.at) {
        this.put(patch);
        hand.dragged?.(patch);
      }
      if (this.pressed || event.pointerType === 'mouse') hand.over?.(patch);
    });
    for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, () => (this.pressed = false));
    if (!hand.down) {
      element.addEventListener('click', (event) => {
        if (this.grid) hand.pressed(this.under(event as PointerEvent));
      });
    }
  }
}
