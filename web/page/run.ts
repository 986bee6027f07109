// The run, in the worker: steps, looks, saves, and what the page is told of them. One thing at a time has the trainer.
import { Images, Trainer, type Facts, type Settings, type Step } from 'ijepa';
import type { BatchView, Colours, Course, FromWorker, Point, Saved } from './messages';
import type { Picture } from './pictures';
import { saveImages, saveRun, type Head } from './storage';

const SHOWN_EXAMPLES = 6;
const SHOWN_OF_BATCH = 8;
/** Milliseconds between two messages of a kind; the page could not show more. */
const STEPS_EVERY = 100;
const BATCH_EVERY = 600;
const SAVE_EVERY = 60_000;
/** Looking at features takes at most this share of the time, beside one look at the end. */
const LOOKING_SHARE = 0.1;
/** At a pause a look is taken if the last one is so many steps ago, and took at most so many milliseconds. */
const [LATE_STEPS, CHEAP] = [3, 1500];

/** Numbers are not finite any more, and the next step would not change that. */
export class Diverged extends Error {}

/** What looks at features may see it before a step does. */
const finite = <T>(look: Promise<T>): Promise<T> =>
  look.catch((error) => {
    const text = error instanceof Error ? error.message : String(error);
    throw /not finite/.test(text) ? new Diverged(text) : error;
  });

/** Something that is done again and again, as often as its share of the time allows. */
class Seldom {
  private next = 0;
  /** Milliseconds that it took last. */
  took = 0;
  constructor(private least: number) {}
  due = () => performance.now() >= this.next;
  async take<T>(what: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await what();
    this.took = performance.now() - began;
    this.next = performance.now() + Math.max(this.least, this.took / LOOKING_SHARE);
    return result;
  }
}

/** A run as storage has it, in memory too: what training goes on from when the GPU is lost. */
export interface Kept {
  head: Head;
  checkpoint: Uint8Array;
  /** The step that the browser's storage has of this run; null: it has none. */
  stored: number | null;
}

export class Run {
  running = false;
  kept: Kept | null = null;
  readonly facts: Facts;
  private points: Point[] = [];
  private course: Course;
  private csvBefore: string;
  private waiting: Point[] = [];
  /** The last step that was taken here. */
  last: Step | null = null;
  private toldSteps = 0;
  private toldBatch = 0;
  private savedAt = performance.now();
  private examples: Uint8Array;
  private looks = new Seldom(1500);
  private colourings = new Seldom(500);
  /** Times of the latest steps, for images/s. */
  private recent: number[] = [];

  private constructor(
    readonly trainer: Trainer,
    private pictures: Picture[],
    private say: (message: FromWorker) => void,
    head: Head | null,
  ) {
    this.facts = trainer.facts();
    this.examples = trainer.examples(SHOWN_EXAMPLES);
    this.course = head?.course ?? { points: [], looks: [], raw: trainer.rawNeighbours() ?? null, colours: null, seconds: 0 };
    this.points = this.course.points;
    this.csvBefore = head?.csv ?? '';
  }

  static async create(settings: Settings, pictures: Picture[], say: (message: FromWorker) => void): Promise<Run> {
    const trainer = await Trainer.create(settings, imagesOf(pictures));
    return orFree(trainer, () => Run.begin(trainer, pictures, say));
  }

  private static async begin(trainer: Trainer, pictures: Picture[], say: (message: FromWorker) => void): Promise<Run> {
    const run = new Run(trainer, pictures, say, null);
    run.say({ kind: 'opened', facts: run.facts, examples: run.examples });
    // What is awaited has been compiled: kernels of a look first, those of a step when it is taken.
    run.say({ kind: 'busy', text: 'Compiling kernels for a first look at images…' });
    await run.colour();
    run.say({ kind: 'busy', text: `${trainer.kernels()} kernels compiled. Looking at what the untrained network makes of images, to compare with later…` });
    await run.look();
    await run.keep();
    return run;
  }

  static async resume(kept: Kept, pictures: Picture[], say: (message: FromWorker) => void): Promise<Run> {
    const trainer = await Trainer.resume(kept.checkpoint, imagesOf(pictures));
    return orFree(trainer, async () => {
      const run = new Run(trainer, pictures, say, structuredClone(kept.head));
      run.kept = kept;
      return run;
    });
  }

  announce() {
    const { facts, course, examples, running, own } = this;
    this.say({ kind: 'begun', facts, course, examples, running, own });
  }

  /** How many images of the visitor's own it has. */
  get own(): number {
    return this.pictures.length;
  }

  get step(): number {
    return this.points.at(-1)?.step ?? this.facts.step;
  }

  get finished(): boolean {
    return this.step >= this.facts.steps;
  }

  /** One step, and what is due after it. */
  async take(): Promise<void> {
    const began = performance.now();
    // Told as long as this course has no step; the first one takes the words' place.
    if (!this.points.length) this.say({ kind: 'busy', text: `${this.trainer.kernels()} kernels compiled. Compiling those of a training step…` });
    const step = await this.trainer.step();
    const now = performance.now();
    this.course.seconds += (now - began) / 1000;
    this.recent.push(now - began);
    if (this.recent.length > 20) this.recent.shift();
    if (!step.finite) {
      throw new Diverged(`after step ${this.step} the loss or the gradients were no longer finite, so no weight was changed`);
    }
    const point = { step: step.step, loss: step.loss, regularizer: step.regularizer };
    this.points.push(point);
    this.waiting.push(point);
    this.last = step;
    this.tell(!this.running || this.finished);
    const final = this.finished;
    if (this.colourings.due() || final || !this.running) await this.colour();
    if (this.looks.due() || final) await this.look();
    if (performance.now() - this.savedAt > SAVE_EVERY || final) await this.save();
  }

  /** Tells the page of steps and of the batch, where it is time to, or at once. */
  tell(now: boolean) {
    const time = performance.now();
    if (this.last && this.waiting.length && (now || time - this.toldSteps > STEPS_EVERY)) {
      this.toldSteps = time;
      const mean = this.recent.reduce((a, b) => a + b, 0) / Math.max(1, this.recent.length);
      const rate = (this.facts.batch * 1000) / Math.max(mean, 0.001);
      this.say({ kind: 'steps', points: this.waiting, last: this.last, rate, seconds: this.course.seconds });
      this.waiting = [];
    }
    if (this.last && (now || time - this.toldBatch > BATCH_EVERY)) {
      this.toldBatch = time;
      this.say({ kind: 'batch', batch: batchView(this.trainer, this.facts) });
    }
  }

  /** Brings what is shown to the step of a pause, where that takes a moment only. */
  async settle() {
    const looked = this.course.looks.at(-1)?.step ?? 0;
    if (this.course.colours?.step !== this.step) await this.colour();
    if (this.step - looked >= LATE_STEPS && this.looks.took <= CHEAP) await this.look();
  }

  private async look() {
    const look = await this.looks.take(() => finite(this.trainer.look()));
    this.course.looks.push(look);
    this.say({ kind: 'look', look });
  }

  private async colour() {
    const now = await this.colourings.take(() => finite(this.trainer.colours(this.examples)));
    const colours: Colours = { untrained: this.course.colours?.untrained ?? now, now, step: this.step };
    this.course.colours = colours;
    this.say({ kind: 'colours', colours });
  }

  /** Takes the run into memory, from where it can go on. */
  private async keep(): Promise<Kept> {
    const checkpoint = await this.trainer.save();
    const saved: Saved = { when: Date.now(), step: this.step, steps: this.facts.steps, own: this.own };
    const { head, stored } = this.kept ?? { head: null, stored: null };
    const images = head?.images ?? null;
    this.kept = { head: { ...saved, course: structuredClone(this.course), csv: this.csv(), images }, checkpoint, stored };
    this.savedAt = performance.now();
    return this.kept;
  }

  /** Saves the run to the browser's storage. That storage is full or refused is no reason to stop. */
  async save() {
    const kept = await this.keep();
    const { head, checkpoint } = kept;
    try {
      if (this.own && !head.images) head.images = await saveImages(this.pictures);
      await saveRun(head, checkpoint);
      kept.stored = head.step;
      const { when, step, steps, own } = head;
      this.say({ kind: 'saved', saved: { when, step, steps, own } });
    } catch (error) {
      this.say({ kind: 'unsaved', why: error instanceof Error ? error.message : String(error) });
    }
  }

  /** All steps of the run, those before a reload too. */
  csv(): string {
    const text = this.trainer.csv();
    return this.csvBefore ? this.csvBefore + text.slice(text.indexOf('\n') + 1) : text;
  }
}

/** A trainer that nothing comes of is freed, and its device with it. */
async function orFree<T>(trainer: Trainer, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    try {
      trainer.free();
    } catch {
      // it is in the middle of something, on a device that is lost
    }
    throw error;
  }
}

/** Images as the library takes them; null: none, so it generates some. */
export function imagesOf(pictures: Picture[]): Images | null {
  if (!pictures.length) return null;
  const images = new Images();
  for (const { name, width, height, rgba } of pictures) images.add(name, width, height, rgba);
  return images;
}

/** The images of the last step that are shown, with their masks. */
export function batchView(trainer: Trainer, { crop, batch }: Facts): BatchView {
  const masks = trainer.batchMasks();
  const count = Math.min(SHOWN_OF_BATCH, batch);
  const pixels = trainer.batchImages().slice(0, count * crop * crop * 3);
  const context = masks.context.slice(0, count);
  const targets = context.map((_, image) => masks.targets.map((block) => block[image] ?? []));
  return { count, pixels, context, targets };
}
