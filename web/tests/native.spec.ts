// A run goes from the page to the native program and back, and its next losses are the same on both sides.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type * as Ijepa from 'ijepa';
import { openPackage } from './package';
import { beginSmall, expect, insideFilled, reach, shot, test } from './page';
import type { Page } from '@playwright/test';

const NATIVE = process.env.IJEPA_NATIVE ?? '';
/** Relative; drivers round differently. */
const LOSS = 1e-4;
/** Half of the last digit that a table has, on both sides. */
const DIGIT = 1e-5;

/** Runs `ijepa` on the software adapter, which is what the browser has here. */
async function ijepa(...args: string[]): Promise<string> {
  expect(existsSync(NATIVE), `${NATIVE || 'IJEPA_NATIVE'} is there: \`make test-web\` builds it`).toBe(true);
  const { stdout, stderr } = await promisify(execFile)(NATIVE, [...args, '--adapter', 'software'], { timeout: 100_000 });
  return stdout + stderr;
}

interface Row {
  context: number;
  target: number;
  loss: number;
}

/** Kept patches and losses of the CSV's steps. */
function rows(csv: string): Row[] {
  const [head = '', ...lines] = csv.trim().split('\n');
  const names = head.split(',');
  const at = (name: string) => names.findIndex((one) => one === name);
  const [loss, context, target] = [at('loss'), at('mask-A'), at('mask-B')];
  return lines.map((line) => {
    const values = line.split(',').map(Number);
    return { loss: values[loss]!, context: values[context]!, target: values[target]! };
  });
}

function expectSame(here: Row[], there: Row[]) {
  expect(here.length).toBeGreaterThan(0);
  expect(here).toHaveLength(there.length);
  for (const [i, { loss, context, target }] of here.entries()) {
    expect({ context, target }, `masks of step ${i}`).toEqual({ context: there[i]!.context, target: there[i]!.target });
    const wanted = there[i]!.loss;
    expect(Math.abs(loss - wanted), `loss of step ${i}, ${loss} and ${wanted}`).toBeLessThan(LOSS * wanted + DIGIT);
  }
}

async function keep(page: Page, name: string) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
  return download.path();
}

test('the page’s weights are read by the native program, which goes on from them', async ({ page }) => {
  await page.goto('.');
  await beginSmall(page, { button: 'One step', batch: 8, more: ['optimization.steps=10'] });
  await reach(page, 1);
  for (const step of [2, 3, 4]) {
    await page.getByRole('button', { name: 'One step' }).click();
    await reach(page, step);
  }
  const weights = await keep(page, 'Weights');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.locator('#train')).toHaveText('Finished', { timeout: 60_000 });
  const here = rows((await readFile(await keep(page, 'Table'))).toString());
  expect(here).toHaveLength(10);

  const out = test.info().outputPath('run');
  const said = await ijepa('train', '--from', weights, '--data', 'generated:glyphs', '--out', out);
  expect(said).toContain('going on from step 4, to step 10');
  expectSame(here.slice(4), rows((await readFile(`${out}/jepa_r0.csv`)).toString()));
  // The run that has become of it is one like any other.
  expect(await ijepa('train', '--resume', out, '--steps', '11')).toContain('going on from step 10, to step 11');
});

test('a checkpoint of the native program goes on in the package', async ({ page, baseURL }) => {
  const out = test.info().outputPath('run');
  const small = ['data.batch_size=8', 'meta.model.depth=1', 'meta.pred_depth=1', 'logging.monitor_images=40'];
  const often = ['logging.checkpoint_every=4', 'logging.keep_checkpoints=0'];
  const set = [...small, ...often].flatMap((value) => ['--set', value]);
  await ijepa('train', '--preset', 'demo', ...set, '--steps', '8', '--data', 'generated:glyphs', '--out', out);
  const there = rows((await readFile(`${out}/jepa_r0.csv`)).toString());
  const checkpoint = (await readFile(`${out}/step-4.safetensors`)).toString('base64');

  await openPackage(page, baseURL!);
  const here = await page.evaluate(async (text) => {
    const url = './pkg/ijepa.js';
    const { default: start, Trainer } = (await import(url)) as typeof Ijepa;
    await start();
    const trainer = await Trainer.resume(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    const rows: Row[] = [];
    while (trainer.facts().step < trainer.facts().steps) {
      const { loss, context, target } = await trainer.step();
      rows.push({ loss, context, target });
    }
    return rows;
  }, checkpoint);
  expectSame(here, there.slice(4));
});

test('a checkpoint of the native program is dropped in and looked into', async ({ page }) => {
  const out = test.info().outputPath('run');
  const small = ['data.batch_size=8', 'meta.model.depth=2', 'meta.model.num_heads=2', 'meta.pred_depth=1', 'logging.monitor_images=40'];
  const set = small.flatMap((value) => ['--set', value]);
  await ijepa('train', '--preset', 'demo', ...set, '--steps', '6', '--data', 'generated:glyphs', '--out', out);
  const bytes = (await readFile(`${out}/latest.safetensors`)).toString('base64');

  await page.goto('.');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled({ timeout: 30_000 });
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], 'latest.safetensors'));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, bytes);
  await expect(page).toHaveURL(/#inside$/);
  await expect(page.locator('.looked-into')).toHaveText('latest.safetensors, at step 6 of 6', { timeout: 60_000 });
  await insideFilled(page);
  await shot(page, 'inside-native');
});
