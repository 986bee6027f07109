// What the page and its worker say to each other.
import type { Adapter } from 'ijepa';

export type FromWorker = { kind: 'adapter'; adapter: Adapter } | { kind: 'error'; text: string };
