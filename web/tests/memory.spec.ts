// Training for long takes no more memory than training for short.
import type * as Ijepa from 'ijepa';
import { openPackage } from './package';
import { expect, test } from './page';

test('nothing grows over five hundred steps', async ({ page, baseURL }) => {
  await openPackage(page, baseURL!);
  // A network of one block: steps take moments, and go the same way.
  await page.evaluate(async () => {
    const scope = globalThis as unknown as Record<string, unknown>;
    const create = GPUDevice.prototype.createBuffer;
    scope.buffers = 0;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      scope.buffers = (scope.buffers as number) + 1;
      return create.call(this, descriptor);
    };
    const url = './pkg/ijepa.js';
    const { default: start, Trainer } = (await import(url)) as typeof Ijepa;
    scope.wasm = await start();
    const small = ['data.batch_size=2', 'meta.model.depth=1', 'meta.pred_depth=1', 'mask.num_pred_masks=1'];
    scope.trainer = await Trainer.create({ preset: 'demo', set: small });
  });
  const session = await page.context().newCDPSession(page);
  const after = async (steps: number) => {
    const [buffers, wasm] = await page.evaluate(async (steps) => {
      const scope = globalThis as unknown as { buffers: number; wasm: Ijepa.InitOutput; trainer: Ijepa.Trainer };
      for (let i = 0; i < steps; i++) await scope.trainer.step();
      return [scope.buffers, scope.wasm.memory.buffer.byteLength] as const;
    }, steps);
    await page.requestGC();
    const { usedSize } = (await session.send('Runtime.getHeapUsage')) as { usedSize: number };
    return { buffers, wasm, heap: usedSize };
  };
  const early = await after(20);
  const late = await after(480);
  expect(early.buffers).toBeGreaterThan(10);
  expect(late.buffers, 'buffers on the GPU').toBe(early.buffers);
  expect(late.wasm, 'bytes of wasm memory').toBe(early.wasm);
  // The rows of the CSV and the browser's own books.
  expect(late.heap - early.heap, 'bytes of the JavaScript heap').toBeLessThan(500_000);
});
