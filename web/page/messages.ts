// What the page and its worker say to each other.
import type { Walk } from './how/walk';
import type { Answer, Ask } from './inside/messages';
import type { Adapter, Facts, Look, Settings, Step } from 'ijepa';

/** The images that are shown of a batch, with their masks. */
export interface BatchView {
  count: number;
  /** count x crop x crop x 3 bytes. */
  pixels: Uint8Array;
  /** Patches of each image's context. */
  context: number[][];
  /** For each image, the patches of each of its target blocks. */
  targets: number[][][];
}

/** The six fixed images: pixels, and patch features as colours (count x grid x grid x 3 bytes). */
export interface Colours {
  untrained: Uint8Array;
  now: Uint8Array;
  step: number;
}

/** One point of the loss curve. */
export type Point = Pick<Step, 'step' | 'loss' | 'regularizer'>;

/** What the page has to know of a run to draw it from its first step, wherever it was begun. */
export interface Course {
  points: Point[];
  looks: Look[];
  /** k-NN of the raw pixels, where the images have classes. */
  raw: number | null;
  colours: Colours | null;
  /** Seconds of training so far. */
  seconds: number;
}

/** A run in the browser's storage. */
export interface Saved {
  /** Milliseconds since 1970. */
  when: number;
  step: number;
  steps: number;
  /** How many images of the visitor's own it trains on; 0: the generated ones. */
  own: number;
}

/** The visitor's own images, as far as they are read. */
export interface Reading {
  done: boolean;
  seen: number;
  images: number;
  /** Folders that they lie in, where there are several. */
  folders: string[];
  /** Files that were skipped, each with its reason; the first hundred. */
  skipped: { name: string; why: string }[];
  skippedCount: number;
}

export type ToWorker =
  | { kind: 'start'; settings: Settings; own: boolean; running: boolean }
  | { kind: 'continue' }
  | { kind: 'forget' } // the saved run
  | { kind: 'run' }
  | { kind: 'pause' }
  | { kind: 'step' }
  | { kind: 'reset' }
  | { kind: 'check'; settings: Settings; id: number }
  | { kind: 'read'; files: { name: string; file: Blob }[]; unreadable: string[]; crop: number }
  | { kind: 'drop images' }
  | { kind: 'weights' }
  | { kind: 'csv' }
  | { kind: 'walk'; image: number; take: boolean } // through the last step; take: through another one
  | { kind: 'ask'; ask: Ask }; // to look inside

export type FromWorker =
  | { kind: 'ready'; adapter: Adapter; saved: Saved | null; keeps: boolean } // keeps: runs are saved, no other tab has the storage
  | { kind: 'checked'; id: number; whys: string[]; config: string | null }
  | { kind: 'busy'; text: string }
  | { kind: 'opened'; facts: Facts; examples: Uint8Array } // what there is before the first look takes its time
  | { kind: 'begun'; facts: Facts; course: Course; examples: Uint8Array; running: boolean; own: number }
  | { kind: 'steps'; points: Point[]; last: Step; rate: number; seconds: number }
  | { kind: 'batch'; batch: BatchView }
  | { kind: 'colours'; colours: Colours }
  | { kind: 'look'; look: Look }
  | { kind: 'running'; running: boolean; finished: boolean }
  | { kind: 'reset' }
  | { kind: 'reading'; reading: Reading }
  | { kind: 'walked'; walk: Walk | null; why: string }
  | { kind: 'file'; name: string; bytes: Blob }
  | { kind: 'answer'; answer: Answer }
  | { kind: 'saved'; saved: Saved }
  | { kind: 'unsaved'; why: string }
  | { kind: 'lost'; again: boolean; step: number; stored: number | null } // stored: the step that the browser's storage has
  | { kind: 'failed'; what: 'memory' | 'diverged' | 'run' | 'load'; why: string };
