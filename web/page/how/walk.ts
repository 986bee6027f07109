// What a step was made of, in the worker: the tensors of one image, from the visitor's own run where it has taken a step,
// else from a small network of this view's own.
import { Trainer, type Facts, type Stage, type Step } from 'ijepa';
import type { BatchView } from '../messages';
import { batchView, type Run } from '../run';

/** Everything that the figures are made from. */
export interface Walk {
  facts: Facts;
  step: Step;
  batch: BatchView;
  /** Which image of the batch the tensors are of. */
  image: number;
  stages: Stage[];
  /** The lines of `ijepa trace`. */
  trace: string;
  /** Whose step it is, and what that run does now. */
  of: 'small' | 'running' | 'paused' | 'finished';
  /** Why it is the small network's: there is no run, or one that has no step to show, not yet or no more. */
  run: 'none' | 'waiting' | 'over';
}

/** The demo's network, with a batch that is computed at once on a processor, too. */
const SMALL = { preset: 'demo', steps: 500, set: ['data.batch_size=8', 'logging.monitor_images=40'] };

interface Small {
  trainer: Trainer;
  facts: Facts;
  last: Step | null;
  /** The loss of its own device. */
  lost: Promise<never>;
}

export class Walker {
  private small: Small | null = null;

  /** `apart` opens something on a device whose loss is not the run's. */
  constructor(private apart: <T>(open: () => Promise<T>) => Promise<{ opened: T; lost: { promise: Promise<never> } }>) {}

  /** The tensors of image `image`; `take`: of the next step, where the network is the small one. */
  async walk(run: Run | null, image: number, take: boolean): Promise<Walk> {
    if (run?.last) {
      this.free(); // it and its device have been replaced
      const of = run.finished ? 'finished' : run.running ? 'running' : 'paused';
      return show(run.trainer, run.facts, run.last, image, of, 'none');
    }
    const small = (this.small ??= await this.open());
    const work = async () => {
      if (take || !small.last) small.last = await small.trainer.step();
      // A run that was loaded has its weights, but not the batch of its last step.
      const without = !run ? 'none' : run.finished ? 'over' : 'waiting';
      return show(small.trainer, small.facts, small.last, image, 'small', without);
    };
    const working = work();
    try {
      return await Promise.race([working, small.lost]);
    } catch (error) {
      this.small = null; // the next one begins anew
      // While it is at work it can't be freed; after a loss that may never end.
      const free = () => small.trainer.free();
      void working.then(free, free).catch(() => {});
      throw error;
    }
  }

  private async open(): Promise<Small> {
    const { opened: trainer, lost } = await this.apart(() => Trainer.create(SMALL, null));
    return { trainer, facts: trainer.facts(), last: null, lost: lost.promise };
  }

  /** Makes room for a run. */
  free() {
    this.small?.trainer.free();
    this.small = null;
  }
}

async function show(trainer: Trainer, facts: Facts, step: Step, image: number, of: Walk['of'], run: Walk['run']): Promise<Walk> {
  const batch = batchView(trainer, facts);
  const shown = Math.min(image, batch.count - 1);
  return { facts, step, batch, image: shown, stages: await trainer.trail(shown), trace: trainer.trace(), of, run };
}
