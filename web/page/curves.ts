// The two curves, drawn by uPlot. Values under the pointer stand in a line above; the arrow keys move it, too.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Look } from 'ijepa';
import type { Point } from './messages';

/** Drawn after the curves, which hide nothing that is longer than this. */
const MOST_POINTS = 2000;

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const percent = (value: number | null | undefined) => (value == null ? '–' : `${value.toFixed(1)} %`);
export const decimals = (value: number | null | undefined) => (value == null ? '–' : value === 0 || value >= 5e-4 ? value.toFixed(4) : value.toExponential(1));

/** A mean that follows the loss: over few steps at first, over about ten later. */
export function smoothed(points: Point[]): number[] {
  let mean = 0;
  return points.map(({ loss }, i) => (mean += (loss - mean) * Math.max(1 / (i + 1), 0.1)));
}

interface Line {
  label: string;
  colour: string;
  width: number;
  dash?: number[];
  points?: boolean;
}

abstract class Curve {
  protected plot: uPlot | null = null;
  protected data: uPlot.AlignedData = [[]];
  protected log = false;

  constructor(
    private place: HTMLElement,
    private values: HTMLElement,
    private name: string,
  ) {
    new ResizeObserver(() => this.fit()).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.rebuild());
    place.addEventListener('keydown', (event) => this.move(event));
    place.addEventListener('blur', () => this.plot?.setCursor({ left: -10, top: -10 }));
  }

  protected abstract lines(): Line[];
  protected abstract words(index: number | null): [string, string, string][];
  protected abstract scale(): Partial<uPlot.Scale>;
  protected abstract axis(values: number[]): string[];

  private size() {
    return { width: Math.max(200, this.place.clientWidth), height: innerWidth < 640 ? 200 : 260 };
  }

  private fit() {
    const { width, height } = this.size();
    if (this.plot && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({ width, height });
  }

  protected rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (this.data[0].length) this.draw();
  }

  private build() {
    this.place.replaceChildren();
    this.place.tabIndex = 0;
    this.place.setAttribute('role', 'group');
    this.place.setAttribute('aria-label', `${this.name}; the arrow keys read its values`);
    const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const hollow = colour('--panel');
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, width: 2, fill: hollow } },
        scales: { x: { time: false, range: (_, min, max) => [Math.min(min, max - 1), Math.max(max, min + 10)] }, y: this.scale() },
        axes: [
          { ...axis, size: 32, label: 'step', labelSize: 16, labelGap: -4, labelFont: axis.font, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000] },
          { ...axis, size: 52, values: (_, splits) => this.axis(splits) },
        ],
        series: [
          {},
          ...this.lines().map(({ label, colour, width, dash, points }) => {
            const few = (u: uPlot) => points || u.data[0].length < 2;
            return { label, stroke: colour, width, ...(dash && { dash }), spanGaps: true, points: { show: few, size: 6, fill: colour } };
          }),
        ],
        hooks: { setCursor: [(u) => this.show(u.cursor.idx ?? null)] },
      },
      this.data,
      this.place,
    );
    this.show(null);
  }

  protected draw() {
    if (!this.plot) this.build();
    else {
      this.plot.setData(this.data);
      this.show(this.plot.cursor.idx ?? null);
    }
  }

  /** One line: the step, and what each curve has there; at the end where nothing is pointed at. */
  private show(index: number | null) {
    const parts = this.words(index).map(([label, value, style]) => {
      const part = document.createElement('span');
      const strong = document.createElement('b');
      strong.textContent = value;
      part.className = style;
      part.append(label, ' ', strong);
      return part;
    });
    this.values.replaceChildren(...parts);
  }

  private move(event: KeyboardEvent) {
    const plot = this.plot;
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!plot || steps === undefined) return;
    event.preventDefault();
    const last = this.data[0].length - 1;
    const from = plot.cursor.idx ?? last;
    const stride = Number.isFinite(steps) ? steps * (event.shiftKey ? 10 : 1) : steps;
    const to = Math.min(last, Math.max(0, from + stride));
    plot.setCursor({ left: plot.valToPos(this.data[0][to]!, 'x'), top: 10 });
  }

  clear(empty: string) {
    this.plot?.destroy();
    this.plot = null;
    this.data = [[]];
    const text = Object.assign(document.createElement('p'), { className: 'empty', textContent: empty });
    this.place.replaceChildren(text);
    this.place.removeAttribute('tabindex');
    this.place.removeAttribute('role');
    this.place.removeAttribute('aria-label');
    this.values.replaceChildren();
  }

  /** The curve as a picture, on the panel's own ground. */
  picture(): HTMLCanvasElement | null {
    return this.plot?.ctx.canvas ?? null;
  }
}

export class LossCurve extends Curve {
  private points: Point[] = [];
  private shown = { raw: true, smooth: true, reg: true };

  protected lines(): Line[] {
    return [
      { label: 'raw', colour: colour('--loss-raw'), width: 1 },
      { label: 'smoothed', colour: colour('--loss'), width: 2 },
      { label: 'regularizer', colour: colour('--reg'), width: 1.5 },
    ];
  }

  protected scale(): Partial<uPlot.Scale> {
    if (this.log) return { distr: 3, range: (_, min, max) => [Math.max(min, 1e-6) / 1.15, Math.max(max, 1e-5) * 1.15] };
    return { range: (_, _min, max) => [0, (max || 1) * 1.08] };
  }

  protected axis(values: number[]): string[] {
    return values.map((value) => (value == null ? '' : value === 0 || value >= 0.01 ? String(+value.toFixed(3)) : value.toExponential(0)));
  }

  protected words(index: number | null): [string, string, string][] {
    const at = index ?? this.data[0].length - 1;
    if (at < 0) return [];
    const [steps, raw, smooth, reg] = this.data as (number | null)[][];
    const words: [string, string, string][] = [['step', String(steps![at]), 'plain']];
    if (this.shown.raw) words.push(['raw', decimals(raw![at]), 'raw']);
    if (this.shown.smooth) words.push(['smoothed', decimals(smooth![at]), 'smooth']);
    if (this.shown.reg) words.push(['regularizer', decimals(reg![at]), 'reg']);
    return words;
  }

  set(points: Point[]) {
    this.points = points;
    this.data = this.columns();
    if (points.length) this.draw();
  }

  private columns(): uPlot.AlignedData {
    const means = smoothed(this.points);
    const all = this.points.map(({ step, loss, regularizer }, i) => [step, loss, means[i]!, regularizer] as const);
    const stride = Math.ceil(all.length / MOST_POINTS);
    const few = stride > 1 ? all.filter((_, i) => i % stride === 0 || i === all.length - 1) : all;
    const positive = (value: number) => (this.log && !(value > 0) ? null : value);
    return [few.map((p) => p[0]), few.map((p) => positive(p[1])), few.map((p) => positive(p[2])), few.map((p) => positive(p[3]))];
  }

  toggle(what: 'raw' | 'smooth' | 'reg', on: boolean) {
    this.shown[what] = on;
    this.rebuild();
  }

  setLog(on: boolean) {
    this.log = on;
    this.data = this.columns();
    this.rebuild();
  }

  protected override draw() {
    const before = this.plot;
    super.draw();
    if (before === this.plot || !this.plot) return;
    const { raw, smooth, reg } = this.shown;
    [raw, smooth, reg].forEach((show, i) => this.plot!.setSeries(i + 1, { show }));
  }
}

export class AccuracyCurve extends Curve {
  private looks: Look[] = [];
  private raw: number | null = null;

  protected lines(): Line[] {
    return [
      { label: 'now', colour: colour('--loss'), width: 2, points: true },
      { label: 'untrained', colour: colour('--quiet'), width: 1.5, dash: [6, 4] },
      { label: 'raw pixels', colour: colour('--target'), width: 1.5, dash: [2, 4] },
    ];
  }

  protected scale(): Partial<uPlot.Scale> {
    return { range: (_, _min, max) => [0, Math.min(100, Math.max(20, Math.ceil((max * 1.15) / 10) * 10))] };
  }

  protected axis(values: number[]): string[] {
    return values.map((value) => `${value} %`);
  }

  protected words(index: number | null): [string, string, string][] {
    const at = index === null ? this.looks.length - 1 : Math.min(index, this.looks.length - 1);
    const look = this.looks[at];
    if (!look) return [];
    return [
      ['step', String(look.step), 'plain'],
      ['k-NN', percent(look.neighbours), 'smooth'],
      ['untrained', percent(this.looks[0]?.neighbours), 'untrained'],
      ['pixels', percent(this.raw), 'pixels'],
    ];
  }

  /** `step` is where training is: the dashed lines reach so far. */
  set(looks: Look[], raw: number | null, step: number) {
    this.looks = looks;
    this.raw = raw;
    if (!looks.length || looks[0]!.neighbours === null) return;
    const steps = looks.map((look) => look.step);
    const now: (number | null)[] = looks.map(({ neighbours }) => neighbours);
    if (step > steps.at(-1)! || steps.length === 1) {
      steps.push(Math.max(step, steps.at(-1)! + 1));
      now.push(null);
    }
    const level = (value: number | null | undefined) => steps.map(() => value ?? null);
    this.data = [steps, now, level(looks[0]!.neighbours), level(raw)];
    this.draw();
  }
}
