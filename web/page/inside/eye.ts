// Looking inside, in the worker: one network and its set of images, asked in turn with the steps of training.
import { Inspector, type Images } from 'ijepa';
import type { Answer, Ask, Opened, Question, Source } from './messages';

/** Images that neighbours are looked for in; fewer where a processor encodes them, or where they are large. */
const SET = { fast: 256, slow: 96, large: 96 };
const LARGE = 128;
const NEIGHBOURS = 5;

/** What the worker gives: each may wait for the GPU, and fails where that goes away. */
export interface Ground {
  say(answer: Answer): void;
  software(): boolean;
  /** Opens what is looked into, on a device whose loss `gone` tells. */
  open(source: Source, gone: () => void): Promise<Inspector>;
  /** The visitor's own images, for networks that see `crop` pixels; null: there are none. */
  own(crop: number, count: number): Promise<Images | null>;
  /** Waits for the GPU, but no longer than it is there; rejects with what `lost` knows again. */
  onGpu<T>(work: Promise<T>): Promise<T>;
  lost(error: unknown): boolean;
}

export class Eye {
  private inspector: Inspector | null = null;
  /** What to open again when the GPU has been lost. */
  private source: { source: Source; own: boolean } | null = null;
  /** The latest question about each thing. Only that one is worth an answer. */
  private latest = new Map<Question['about'], number>();

  constructor(private ground: Ground) {}

  /** Notes a question, at once; it is answered when its turn comes. */
  note({ about, id }: Ask) {
    this.latest.set(about, id);
    // A question about the network before is void.
    if (about === 'open') for (const other of this.latest.keys()) if (other !== 'open') this.latest.delete(other);
  }

  async answer(ask: Ask): Promise<void> {
    const { about, id } = ask;
    if (this.latest.get(about) !== id) return;
    try {
      this.ground.say({ id, ...(await this.find(ask)) } as Answer);
    } catch (error) {
      const lost = this.ground.lost(error);
      if (lost) this.inspector = null; // it is in the middle of something, and can't be freed
      const why = error instanceof Error ? error.message : String(error);
      this.ground.say({ id, about: 'failed', question: about, why, lost });
    }
  }

  private async find(ask: Ask) {
    if (ask.about === 'open') return this.open(ask.source, ask.own);
    if (!this.inspector && this.source) await this.open(this.source.source, this.source.own);
    const inspector = this.inspector;
    if (!inspector) throw new Error('nothing is looked into');
    const { onGpu } = this.ground;
    switch (ask.about) {
      case 'block':
        return { about: ask.about, patches: inspector.block(ask.number) };
      case 'attention': {
        const { about, image, block } = ask;
        return { about, image, block, weights: await onGpu(inspector.attention(image, block)) };
      }
      case 'similarity': {
        const { about, image, patch } = ask;
        return { about, image, patch, cosines: await onGpu(inspector.similarity(image, patch)) };
      }
      case 'guesses': {
        const { about, image, hidden } = ask;
        return { about, image, guesses: await onGpu(inspector.predict(image, new Uint32Array(hidden), NEIGHBOURS)) };
      }
    }
  }

  /** What is looked into now stays until the other one is open, so that a bad file costs nothing. */
  private async open(source: Source, wanted: boolean): Promise<Opened> {
    const holder: { inspector: Inspector | null } = { inspector: null };
    const inspector = await this.ground.open(source, () => {
      if (this.inspector === holder.inspector) this.inspector = null;
    });
    holder.inspector = inspector;
    const { crop } = inspector.facts();
    const count = crop > LARGE ? SET.large : this.ground.software() ? SET.slow : SET.fast;
    let own = false;
    try {
      const images = wanted ? await this.ground.own(crop, count) : null;
      own = images !== null; // take() takes them away
      await this.ground.onGpu(inspector.take(images, count));
    } catch (error) {
      if (!this.ground.lost(error)) inspector.free();
      throw error;
    }
    this.inspector?.free();
    this.inspector = inspector;
    this.source = { source, own: wanted };
    const subject = inspector.facts();
    const labels = inspector.labels();
    return {
      about: 'open',
      subject,
      pixels: inspector.pixels(0, subject.images),
      colours: inspector.colours(0, subject.images),
      labels: labels ? Array.from(labels, (label) => subject.classes[label] ?? '') : null,
      own,
    };
  }
}
