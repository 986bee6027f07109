// The package's look into a network.
import type * as Ijepa from 'ijepa';
import { openPackage } from './package';
import { expect, test } from './page';

test.beforeEach(({ page, baseURL }) => openPackage(page, baseURL!));

test('a run and its checkpoint are looked into alike, and the tensors of its last step are there', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const url = './pkg/ijepa.js';
    const { default: start, Inspector, Trainer } = (await import(url)) as typeof Ijepa;
    await start();
    const set = ['data.batch_size=4', 'meta.model.depth=2', 'meta.pred_depth=1', 'logging.monitor_images=16'];
    const trainer = await Trainer.create({ preset: 'demo', set });
    await trainer.step();
    const trail = await trainer.trail(1);
    const look = async (inspector: Ijepa.Inspector) => {
      await inspector.take(null, 10);
      const attention = await inspector.attention(3, 1);
      const similarity = await inspector.similarity(3, 20);
      const guesses = await inspector.predict(3, Uint32Array.of(18, 19, 26, 27), 5);
      const { config, ...facts } = inspector.facts();
      const labels = inspector.labels()!.length;
      const block = Array.from(inspector.block(7));
      const colours = new Set(inspector.colours(0, 10)).size;
      const pixels = inspector.pixels(2, 3).length;
      return { facts, labels, block, colours, pixels, attention: Array.from(attention), similarity: Array.from(similarity), guesses };
    };
    const run = await look(await trainer.inspect());
    const saved = await look(await Inspector.open(await trainer.save()));
    await trainer.step(); // the run goes on
    return { run, saved, trace: trainer.trace(), trail: trail.map(({ name, shape, rows, values }) => [name, ...shape, rows, values.length] as const) };
  });
  const { run, saved, trace, trail } = found;
  expect(saved).toEqual(run);
  expect(run.facts).toMatchObject({ crop: 32, patch: 4, grid: 8, width: 64, depth: 2, heads: 4, step: 1, steps: 500, images: 10 });
  expect(run.facts.classes).toHaveLength(10);
  expect([run.labels, run.pixels]).toEqual([10, 3 * 32 * 32 * 3]);
  // A target block of the demo: 0.10 to 0.15 of 64 patches, ascending, on the grid.
  expect(run.block.length).toBeGreaterThanOrEqual(6);
  expect(run.block.length).toBeLessThanOrEqual(12);
  expect(run.block.every((patch, i) => patch < 64 && (i === 0 || patch > run.block[i - 1]!))).toBe(true);
  expect(run.colours).toBeGreaterThan(50);
  expect(run.attention).toHaveLength(4 * 64 * 64);
  const sums = Array.from({ length: 4 * 64 }, (_, row) => run.attention.slice(64 * row, 64 * row + 64).reduce((sum, v) => sum + v, 0));
  for (const sum of sums) expect(sum).toBeCloseTo(1, 4);
  expect(run.similarity).toHaveLength(10 * 64);
  expect(run.similarity[3 * 64 + 20]).toBeCloseTo(1, 3);
  expect(run.guesses.map(({ patch }) => patch)).toEqual([18, 19, 26, 27]);
  for (const { predicted, target } of run.guesses) {
    for (const list of [predicted, target]) {
      expect(list).toHaveLength(5);
      expect(list.every(({ image }, i) => image !== 3 && (i === 0 || list[i - 1]!.similarity >= list[i]!.similarity))).toBe(true);
    }
  }
  expect(trail.map(([name]) => name)).toEqual(
    ['patches', 'positions', 'target_encoder_out', 'targets', 'context_patches', 'context_embedded', 'context_out', 'predictor_in', 'predictor_out', 'predictions'],
  );
  for (const [name, , , columns, rows, length] of trail) expect(length, name).toBe(rows * columns);
  expect(trace).toContain('x.shape after predictor_proj: torch.Size([16, ');
});

test('what is no checkpoint is refused with a sentence, and the module lives on', async ({ page }) => {
  const { refusals, alive } = await page.evaluate(async () => {
    const url = './pkg/ijepa.js';
    const { default: start, Inspector, Trainer } = (await import(url)) as typeof Ijepa;
    await start();
    const set = ['data.batch_size=4', 'meta.model.depth=1', 'meta.pred_depth=1', 'logging.monitor_images=16'];
    const trainer = await Trainer.create({ preset: 'demo', set });
    const good = await trainer.save();
    const random = Uint8Array.from({ length: 4096 }, (_, i) => (i * 2654435761) >>> 24);
    const long = Uint8Array.from(good);
    long.fill(255, 0, 7); // a header of more bytes than there are
    const infinite = Uint8Array.from(good);
    infinite.fill(255, good.length - 4); // the last value is no number
    const refusals: string[] = [];
    for (const bytes of [new Uint8Array(), random, good.slice(0, good.length / 2), good.slice(0, 100), long, infinite]) {
      refusals.push(await Inspector.open(bytes).then(() => 'opened', (error: unknown) => String(error)));
    }
    const inspector = await Inspector.open(good);
    refusals.push(await inspector.attention(0, 0).catch(String) as string);
    await inspector.take(null, 4);
    for (const ask of [() => inspector.attention(4, 0), () => inspector.similarity(0, 64), () => inspector.predict(0, new Uint32Array(), 5)]) {
      refusals.push(await ask().then(() => 'answered', (error: unknown) => String(error)));
    }
    return { refusals, alive: (await inspector.similarity(0, 63)).length };
  });
  for (const refusal of refusals) {
    expect(refusal).toMatch(/^Error: .{20,}/);
    expect(refusal).not.toContain('unreachable');
  }
  expect(alive).toBe(4 * 64);
});
