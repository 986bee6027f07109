// The three views of the page, one of which is shown: what the address says after its #. Links, the browser's own way back
// and a reload all come to the same.

export type View = 'train' | 'inside' | 'how';

const NAMES: Record<View, string> = { train: 'Train', inside: 'Look inside', how: 'How it works' };
const PLACES: Record<View, string> = { train: 'training', inside: 'inside', how: 'how' };
const TITLE = document.title;

const place = (view: View) => document.getElementById(PLACES[view])!;
const isView = (name: string): name is View => name in NAMES;

let shown: View = 'train';
export const view = () => shown;

export function go(to: View) {
  location.hash = to;
}

/** The step that is counted beside the name of the view that trains; null while nothing runs. */
export function countStep(step: number | null) {
  const target = document.getElementById('nav-step')!;
  if (step === null) return target.replaceChildren();
  if (!target.firstChild) {
    const word = Object.assign(document.createElement('span'), { className: 'word', textContent: 'step ' });
    target.append(' · ', word, '');
    target.append(document.createTextNode(''));
  }
  target.lastChild!.textContent = String(step);
}

/** Scrolls there, and stays there while what was hidden is drawn above it; but not against the visitor. */
function bring(target: HTMLElement) {
  target.scrollIntoView();
  const grown = new ResizeObserver(() => target.scrollIntoView());
  grown.observe(document.body);
  const end = () => grown.disconnect();
  setTimeout(end, 1500);
  for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown']) addEventListener(kind, end, { once: true });
}

/** Follows the address from now on. `opened` hears of each view that comes to be shown, the first one too. */
export function follow(opened: (view: View) => void) {
  // Its own answer to where a page was scrolled means a view that may not be the one that is shown.
  history.scrollRestoration = 'manual';
  const turn = (opening: boolean) => {
    const name = location.hash.slice(1) || 'train';
    // What is no view is a place within one: #how-masks within that of its first word, #settings within the first.
    const first = name.split('-')[0]!;
    const to = isView(first) ? first : 'train';
    const changed = to !== shown;
    shown = to;
    for (const view of Object.keys(NAMES) as View[]) place(view).hidden = view !== to;
    for (const link of document.querySelectorAll('.views a')) {
      if (link.getAttribute('href') === `#${to}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.body.dataset.view = to;
    document.title = to === 'train' ? TITLE : `${NAMES[to]} – ${TITLE}`;
    if (isView(name)) {
      if (!opening) document.getElementById(`${PLACES[to]}-title`)!.focus({ preventScroll: true });
      scrollTo(0, 0);
    } else if (changed || to !== 'train') {
      const target = document.getElementById(name);
      if (target) bring(target);
      if (to !== 'train') target?.focus({ preventScroll: true });
    }
    if (changed || opening) opened(to);
  };
  addEventListener('hashchange', () => turn(false));
  turn(true);
}
