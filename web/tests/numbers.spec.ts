// The numbers in the browser are those of the native program and of the reference.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type * as Ijepa from 'ijepa';
import { differences, tensors } from './golden';
import { openPackage } from './package';
import { expect, pause, reach, test } from './page';

const golden = (name: string) => fs.readFileSync(fileURLToPath(new URL(`../../tests/golden/${name}`, import.meta.url)));

test.beforeEach(({ page, baseURL }) => openPackage(page, baseURL!));

interface Recorded {
  images: number;
  context: number;
  target: number;
  loss: number;
  regularizer: number;
}

test('twenty steps of the demo give the native program’s losses on the same bytes', async ({ page }) => {
  const recorded = JSON.parse(golden('demo-20.json').toString()) as Recorded[];
  const steps = await page.evaluate(async (count) => {
    const url = './pkg/ijepa.js';
    const { default: start, Trainer } = (await import(url)) as typeof Ijepa;
    await start();
    const trainer = await Trainer.create({ preset: 'demo' });
    const steps: Recorded[] = [];
    for (let i = 0; i < count; i++) {
      const { context, target, loss, regularizer } = await trainer.step();
      const hash = (sum: number, byte: number) => Math.imul(sum ^ byte, 0x01000193);
      const images = trainer.batchImages().reduce(hash, 0x811c9dc5) >>> 0;
      steps.push({ images, context, target, loss, regularizer });
    }
    return steps;
  }, recorded.length);
  for (const [i, step] of steps.entries()) {
    const { images, context, target, loss, regularizer } = recorded[i]!;
    expect(step, `step ${i + 1}`).toMatchObject({ images, context, target });
    expect(Math.abs(step.loss / loss - 1), `loss of step ${i + 1}`).toBeLessThan(1e-4);
    expect(Math.abs(step.regularizer / regularizer - 1), `regularizer of step ${i + 1}`).toBeLessThan(1e-4);
  }
});

test('and by a click in the page', async ({ page }) => {
  const recorded = JSON.parse(golden('demo-20.json').toString()) as Recorded[];
  await page.goto('.');
  await page.getByRole('button', { name: 'Start training' }).click();
  await reach(page, recorded.length);
  await pause(page);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Table' }).click()]);
  const [head = '', ...rows] = fs.readFileSync(await download.path()).toString().trim().split('\n');
  const column = (name: string) => head.split(',').indexOf(name);
  const [loss, context, target] = [column('loss'), column('mask-A'), column('mask-B')];
  expect(rows.length).toBeGreaterThanOrEqual(recorded.length);
  for (const [i, wanted] of recorded.entries()) {
    const values = rows[i]!.split(',').map(Number);
    expect([values[context], values[target]], `masks of step ${i + 1}`).toEqual([wanted.context, wanted.target]);
    // The table has five digits after the point.
    expect(Math.abs(values[loss]! - wanted.loss), `loss of step ${i + 1}`).toBeLessThan(1e-4 * wanted.loss + 1e-5);
  }
});

for (const name of ['nano', 'nano-reg']) {
  test(`the recorded steps of ${name} are the reference’s`, async ({ page }) => {
    const input = golden('nano.input.safetensors');
    const result = await page.evaluate(
      async ([input, yaml, iterations]) => {
        const url = './pkg/ijepa.js';
        const { default: start, replay } = (await import(url)) as typeof Ijepa;
        await start();
        const bytes = await replay(Uint8Array.from(input), yaml, iterations);
        return Array.from(bytes);
      },
      [Array.from(input), golden(`${name}.yaml`).toString(), 5] as const,
    );
    const expected = golden(`${name}.expected.safetensors`);
    expect(differences(input, expected, Uint8Array.from(result))).toEqual([]);
    // The comparison can fail: another case's numbers are not these.
    const other = golden(`${name === 'nano' ? 'nano-reg' : 'nano'}.expected.safetensors`);
    expect(differences(input, other, Uint8Array.from(result)).length).toBeGreaterThan(0);
    expect(tensors(expected).size).toBeGreaterThan(100);
  });
}
