// What the view that looks inside and the worker say to each other. Every answer carries the number of its question.
import type { Guess, Subject } from 'ijepa';

/** What is looked into: the run under way, the run in the browser's storage, or a file. */
export type Source = { from: 'run' } | { from: 'saved' } | { from: 'file'; file: Blob; name: string };

export type Question =
  | { about: 'open'; source: Source; own: boolean }
  | { about: 'attention'; image: number; block: number }
  | { about: 'similarity'; image: number; patch: number }
  | { about: 'guesses'; image: number; hidden: number[] }
  | { about: 'block'; number: number };

export type Ask = Question & { id: number };

/** A network, and the set of images that it is looked at with. */
export interface Opened {
  about: 'open';
  subject: Subject;
  /** images x crop x crop x 3 bytes */
  pixels: Uint8Array;
  /** images x grid x grid x 3 bytes */
  colours: Uint8Array;
  /** The class of each image, if it has one. */
  labels: string[] | null;
  /** They are the visitor's own. */
  own: boolean;
}

export type Answer = { id: number } & (
  | Opened
  | { about: 'attention'; image: number; block: number; /** heads x N x N */ weights: Float32Array }
  | { about: 'similarity'; image: number; patch: number; /** images x N */ cosines: Float32Array }
  | { about: 'guesses'; image: number; guesses: Guess[] }
  | { about: 'block'; /** patches of a target block as training draws them */ patches: Uint32Array }
  | { about: 'failed'; question: Question['about']; why: string; /** the GPU went away */ lost: boolean }
);
