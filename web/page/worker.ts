// All work on the GPU happens here, so that the page stays free to answer.
import start, { adapter } from 'ijepa';
import type { FromWorker } from './messages';

const say = (message: FromWorker) => self.postMessage(message);

try {
  await start();
  say({ kind: 'adapter', adapter: await adapter() });
} catch (error) {
  say({ kind: 'error', text: error instanceof Error ? error.message : String(error) });
}
