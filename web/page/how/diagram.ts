// Who gives what to whom in a step; with `back`, where gradients flow.

const SPACE = 'http://www.w3.org/2000/svg';

function draw(tag: string, attributes: Record<string, string | number>, ...inside: (Node | string)[]): SVGElement {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...inside);
  return element;
}

const text = (x: number, y: number, words: string, style = '') => draw('text', { x, y, class: style, 'text-anchor': 'middle' }, words);

function box(x: number, y: number, words: string[], style: string): SVGElement {
  const lines = words.map((line, i) => text(x, y + 5 + (i - (words.length - 1) / 2) * 16, line, i ? 'small' : ''));
  return draw('g', { class: style }, draw('rect', { x: x - 78, y: y - 24, width: 156, height: 48, rx: 6 }), ...lines);
}

/** An arrow along points; its head is at the last. */
function arrow(points: [number, number][], style: string): SVGElement {
  const [x, y] = points.at(-1)!;
  const [fromX, fromY] = points.at(-2)!;
  const turn = (Math.atan2(y - fromY, x - fromX) * 180) / Math.PI;
  const line = points.map(([x, y], i) => `${i ? 'L' : 'M'}${x} ${y}`).join('');
  return draw('g', { class: style }, draw('path', { d: line, class: 'line' }), draw('path', { d: 'M0 0L-9 -4.5V4.5Z', transform: `translate(${x} ${y}) rotate(${turn})`, class: 'tip' }));
}

export function diagram(back: boolean): SVGElement {
  const [left, right] = [90, 290];
  const parts = [
    box(left, 30, ['The context'], 'data'),
    box(right, 30, ['The whole image'], 'data'),
    box(left, 120, ['Context encoder', 'learns'], 'net'),
    box(right, 120, ['Target encoder', 'follows slowly'], 'net still'),
    box(left, 210, ['Predictor', 'learns'], 'net'),
    box(right, 210, ['Target blocks', 'cut out'], 'data'),
    box(left, 300, ['Predictions'], 'data'),
    box(right, 300, ['Targets'], 'data'),
    arrow([[left, 54], [left, 95]], 'way'),
    arrow([[right, 54], [right, 95]], 'way'),
    arrow([[left, 144], [left, 185]], 'way'),
    arrow([[right, 144], [right, 185]], 'way'),
    arrow([[left, 234], [left, 275]], 'way'),
    arrow([[right, 234], [right, 275]], 'way'),
    arrow([[left, 324], [left, 352], [150, 352]], 'way'),
    arrow([[right, 324], [right, 352], [230, 352]], 'way'),
    draw('g', { class: 'sum' }, draw('rect', { x: 151, y: 336, width: 78, height: 32, rx: 16 }), text(190, 357, 'Loss')),
    arrow([[168, 112], [211, 112]], 'follow'),
    text(190, 101, 'EMA', 'small'),
  ];
  if (back) {
    parts.push(
      arrow([[150, 361], [104, 361], [104, 325]], 'back'),
      arrow([[104, 276], [104, 235]], 'back'),
      arrow([[104, 186], [104, 145]], 'back'),
      draw('path', { d: 'M268 345l14 14m0 -14l-14 14', class: 'stop' }),
      text(275, 376, 'no gradient', 'small'),
      text(150, 262, 'gradient', 'small'),
    );
  }
  const words = back
    ? 'Gradients flow from the loss through predictions, predictor and context encoder. None flows to the target encoder, which follows the context encoder slowly'
    : 'The context goes through context encoder and predictor to predictions; the whole image goes through the target encoder, of whose output the target blocks are cut out, to targets. The loss compares both. The target encoder follows the context encoder slowly';
  return draw('svg', { viewBox: '0 0 380 384', role: 'img', 'aria-label': words, class: back ? 'diagram behind' : 'diagram' }, ...parts);
}
