// The views beside the one that trains. What they are made of comes when they are opened first.
import type { Given } from './files';
import type { How } from './how/how';
import type { Walk } from './how/walk';
import type { Inside, Situation } from './inside/inside';
import type { Answer } from './inside/messages';
import { ARCHIVE, CHECKPOINT, IMAGE } from './kinds';
import type { ToWorker } from './messages';
import { go, view, type View } from './views';

export interface Host {
  tell(message: ToWorker): void;
  speak(text: string): void;
  situation(): Situation;
  /** Reads images to train on. */
  read(files: Given[], unreadable: string[]): void;
}

const place = (id: string) => document.getElementById(id)!;
const isImages = ({ name, file }: Given) => IMAGE.test(name) || ARCHIVE.test(name) || file.type.startsWith('image/');

export class Others {
  private fetched = new Set<View>();
  private inside: Inside | null = null;
  private how: How | null = null;
  /** A checkpoint that was dropped before there was a view to look into it. */
  private dropped: Given | null = null;

  constructor(private host: Host) {}

  async opened(view: View) {
    if (view === 'inside') this.inside?.shown();
    if (view === 'how') this.how?.shown();
    if (view === 'train' || this.fetched.has(view)) return;
    this.fetched.add(view);
    const { tell, speak, situation } = this.host;
    if (view === 'how') {
      const { How } = await import('./how/how');
      this.how = new How(place('how'), { tell, situation });
      return this.how.know();
    }
    const { Inside } = await import('./inside/inside');
    this.inside = new Inside(place('inside'), { ask: (ask) => tell({ kind: 'ask', ask }), situation, speak, train: () => go('train') });
    if (this.dropped) this.inside.give(this.dropped.file, this.dropped.name);
    this.dropped = null;
  }

  /** Files that were chosen, dropped or pasted: a checkpoint to look into, or images. */
  take(files: Given[], unreadable: string[]) {
    const looking = view() === 'inside' && files.length === 1;
    const checkpoint = files.find((given) => CHECKPOINT.test(given.name) || (looking && !isImages(given)));
    if (!checkpoint) {
      if (files.length || unreadable.length) this.host.read(files, unreadable);
      return;
    }
    if (this.inside) this.inside.give(checkpoint.file, checkpoint.name);
    else this.dropped = checkpoint;
    go('inside');
  }

  walked(walk: Walk | null, why: string) {
    this.how?.hear(walk, why);
  }

  hear(answer: Answer) {
    this.inside?.hear(answer);
  }

  /** The worker is there. */
  ready() {
    this.know();
    if (view() === 'inside') this.inside?.shown();
    this.how?.ready();
  }

  /** What can be looked into has changed. */
  know() {
    this.inside?.know();
    this.how?.know();
  }

  /** The worker was replaced. */
  restarted() {
    this.inside?.restarted();
  }
}
