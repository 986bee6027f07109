// The figures of "How it works", by the names that the text gives them.
import { make } from '../make';
import { diagram } from './diagram';
import { Heat, type Map, type Row } from './heat';
import { meanSize, minus, part, row, stage, type Matrix } from './matrix';
import { positions } from './numbers';
import { Follow, Masks, Pixels, Similar, Trace } from './pictures';
import type { Walk } from './walk';

/** What is shown: a step, and which of its target blocks. */
export interface Scene {
  walk: Walk;
  block: number;
}

/** What figures may ask for. */
export interface Wishes {
  image(at: number): void;
  block(at: number): void;
}

export interface Figure {
  elements: Element[];
  caption: string;
  /** Needs no step to be seen. */
  always?: boolean;
  /** Called again when its place or the colours have changed. */
  show(scene: Scene): void;
}

/** A tensor of the step as a map; `from` and `to`: some of its rows. */
function map(walk: Walk, name: string, letters: string, what: string, from = 0, to = Infinity): Map {
  const { shape, ...matrix } = stage(walk.stages, name);
  return { name, letters, shape, what, matrix: part(matrix, from, Math.min(to, matrix.rows)) };
}

const plain = (patches: number[]): Row[] => patches.map((patch) => ({ patch, block: null }));
const ofBlock = (walk: Walk, block: number): Row[] => walk.batch.targets[walk.image]![block]!.map((patch) => ({ patch, block }));
const all = ({ facts }: Walk) => Array.from({ length: facts.grid ** 2 }, (_, patch) => patch);
const contextOf = (walk: Walk) => walk.batch.context[walk.image]!;
const blocksOf = (walk: Walk) => walk.batch.targets[walk.image]!.map((_, block) => block);

/** Buttons for one of the target blocks. */
class Blocks {
  readonly element = make('div', { className: 'tools blocks', role: 'group', ariaLabel: 'Target block' });
  constructor(private wishes: Wishes) {}
  show({ walk, block }: Scene) {
    const count = blocksOf(walk).length;
    if (this.element.childElementCount !== count) {
      this.element.replaceChildren(
        ...blocksOf(walk).map((i) => {
          const button = make('button', { type: 'button', className: `block-${(i % 4) + 1}` }, `Block ${i + 1}`);
          button.addEventListener('click', () => this.wishes.block(i));
          return button;
        }),
      );
    }
    [...this.element.children].forEach((button, i) => button.setAttribute('aria-pressed', String(i === block)));
  }
}

export function figures(wishes: Wishes): Record<string, Figure> {
  const heats = (parts: Heat[], extra: { element: Element; show(scene: Scene): void }[], caption: string, show: (scene: Scene) => void): Figure => ({
    elements: [...extra, ...parts].map(({ element }) => element),
    caption,
    show: (scene) => {
      extra.forEach((one) => one.show(scene));
      show(scene);
    },
  });
  const still = (back: boolean, caption: string): Figure => ({ elements: [diagram(back)], caption, always: true, show() {} });

  const pixels = new Pixels();
  const patches = new Heat(256, (patch) => pixels.choose(patch));
  const [encoded, targets, place, context, asked, answered, compared] = [new Heat(), new Heat(), new Heat(), new Heat(150), new Heat(), new Heat(90), new Heat(110)];

  return {
    overview: still(false, 'One step. Two encoders see the same image, one of them all of it. From what the other sees, the predictor guesses what the first makes of the hidden blocks.'),
    gradients: still(true, 'What learns, and what follows: gradients (orange) flow back through predictor and context encoder only.'),
    patches: {
      elements: [pixels.element, patches.element],
      caption: 'Each line of the map is a patch, each column one of its numbers: orange above 0, blue below. Point at a line, or move with the arrow keys, to see which patch it is and how its numbers make up the patch.',
      show({ walk }) {
        pixels.show(walk);
        patches.show(walk, [map(walk, 'patches', '[B, N, 3p²]', 'the pixels of all patches')], { rows: plain(all(walk)), veiled: false, blocks: [] });
      },
    },
    masks: new Masks(wishes),
    targets: heats([encoded, targets], [], 'Above: what the target encoder makes of all patches. Below: the normalised rows of the target blocks, block by block, each marked on its left with the colour of its block.', ({ walk }) => {
      const blocks = blocksOf(walk);
      encoded.show(walk, [map(walk, 'target_encoder_out', '[B, N, D]', 'features of all patches')], { rows: plain(all(walk)), veiled: false, blocks });
      const rows = blocks.flatMap((block) => ofBlock(walk, block));
      targets.show(walk, [map(walk, 'targets', '[M·B, Kp, D]', 'features to be predicted')], { rows, veiled: false, blocks });
    }),
    positions: heats([place], [], 'The pattern that is added, the same for every image. Move down the rows: what changes quickly tells neighbours apart, what changes slowly tells left from right and top from bottom.', ({ walk }) => {
      const { grid, width } = walk.facts;
      const matrix = positions(grid, width);
      place.show(walk, [{ name: 'pos_embed', letters: '[1, N, D]', shape: [1, grid * grid, width], what: 'a pattern for each place', matrix, most: 1 }], { rows: plain(all(walk)), veiled: false, blocks: [] });
    }),
    context: heats([context], [], 'The patches of the context on their way: as pixels, as embeddings with their positions, and as features.', ({ walk }) => {
      const maps = [
        map(walk, 'context_patches', '[B, Ke, 3p²]', 'pixels'),
        map(walk, 'context_embedded', '[B, Ke, D]', 'embeddings, with positions'),
        map(walk, 'context_out', '[B, Ke, D]', 'features'),
      ];
      context.show(walk, maps, { rows: plain(contextOf(walk)), veiled: true, blocks: [] });
    }),
    predictor: heats([asked, answered], [new Blocks(wishes)], 'Above: what goes in, tokens of the context and, below the gap, mask tokens, which differ by their position alone. Below: what comes out for each of them, and its prediction.', ({ walk, block }) => {
      const [seen, hidden] = [plain(contextOf(walk)), ofBlock(walk, block)];
      const [inside, kept] = [seen.length + hidden.length, hidden.length];
      const input = map(walk, 'predictor_in', '[M·B, Ke+Kp, P]', 'context and mask tokens', block * inside, (block + 1) * inside);
      asked.show(walk, [input], { rows: [...seen, ...hidden], split: seen.length, veiled: true, blocks: [block], more: (at) => (at < seen.length ? 'a token of the context' : 'a mask token') });
      const output = [
        map(walk, 'predictor_out', '[M·B, Kp, P]', 'mask tokens after the layers', block * kept, (block + 1) * kept),
        map(walk, 'predictions', '[M·B, Kp, D]', 'widened: the predictions', block * kept, (block + 1) * kept),
      ];
      answered.show(walk, output, { rows: hidden, veiled: true, blocks: [block] });
    }),
    loss: heats([compared], [new Blocks(wishes)], 'Prediction, target, and the first less the second, in the same colours: what is strong in the last map counts for the loss. Computed with the weights just after the step, so usually a little better than what the step itself saw.', ({ walk, block }) => {
      const rows = ofBlock(walk, block);
      const [from, to] = [block * rows.length, (block + 1) * rows.length];
      const most = 2.5; // targets lie around 0, few of them farther off
      const guess = map(walk, 'predictions', '[M·B, Kp, D]', 'as predicted', from, to);
      const truth = map(walk, 'targets', '[M·B, Kp, D]', 'as the target encoder has it', from, to);
      const difference: Matrix = minus(guess.matrix, truth.matrix);
      const off: Map = { ...guess, name: 'difference', what: 'how far it is off', matrix: difference };
      const whole = meanSize(minus(stage(walk.stages, 'predictions'), stage(walk.stages, 'targets')).values).toFixed(2);
      compared.show(walk, [guess, truth, off].map((one) => ({ ...one, most })), {
        rows,
        veiled: true,
        blocks: [block],
        more: (at) => `this row is off by ${meanSize(row(difference, at)).toFixed(2)} on average, this image by ${whole}`,
      });
    }),
    follow: new Follow(),
    similar: new Similar(),
    trace: new Trace(),
  };
}
