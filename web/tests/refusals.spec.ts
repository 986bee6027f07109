// What can't be a run is refused in a sentence, and the module lives on: a trap of WebAssembly would be the end of it.
import type * as Ijepa from 'ijepa';
import { openPackage } from './package';
import { expect, test } from './page';
import type { Page } from '@playwright/test';

const SMALL = ['data.batch_size=2', 'meta.model.depth=1', 'meta.pred_depth=1', 'mask.num_pred_masks=1', 'logging.monitor_images=4'];

/** A safetensors file: length of its header, header, tensors. */
function file(header: object | string, body: Uint8Array, length?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([head, text, body]);
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> & { __metadata__?: Record<string, string> };

function rename(header: Header, name: string, to: string) {
  header[to] = header[name]!;
  delete header[name];
}

/** The file with its header changed. */
function changed(whole: Buffer, change: (header: Header) => void): Buffer {
  const length = Number(whole.readBigUInt64LE());
  const header = JSON.parse(whole.subarray(8, 8 + length).toString()) as Header;
  change(header);
  return file(header, whole.subarray(8 + length));
}

/** The file with other words in where its run stands, or in its configuration. */
function told(whole: Buffer, change: (told: Record<string, unknown> & { config: string }) => void): Buffer {
  return changed(whole, (header) => {
    const metadata = header.__metadata__!;
    const [key] = Object.keys(metadata);
    const text = JSON.parse(metadata[key!]!);
    change(text);
    metadata[key!] = JSON.stringify(text);
  });
}

const configured = (whole: Buffer, key: string, value: number) =>
  told(whole, (text) => {
    const line = new RegExp(`( ${key}: ).*`);
    expect(text.config).toMatch(line);
    text.config = text.config.replace(line, `$1${value}`);
  });

/** Pseudo-random bytes, always the same. */
function noise(length: number): Buffer {
  let state = 12345;
  return Buffer.from(Array.from({ length }, () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24));
}

function hostile(good: Buffer): [string, Buffer, RegExp][] {
  const unreadable = /^the checkpoint is no safetensors file that can be read/;
  const nan = Buffer.from(good);
  nan.writeFloatLE(NaN, nan.length - 8);
  const first = (header: Header) => Object.values(header).find((tensor) => tensor.dtype)!;
  return [
    ['nothing', Buffer.alloc(0), unreadable],
    ['seven bytes', good.subarray(0, 7), unreadable],
    ['half of it', good.subarray(0, good.length / 2), unreadable],
    ['half a header', good.subarray(0, 100), unreadable],
    ['a byte too few', good.subarray(0, -1), unreadable],
    ['more than it says', Buffer.concat([good, noise(1000)]), unreadable],
    ['noise', noise(100_000), unreadable],
    ['noise after a header’s length', Buffer.concat([good.subarray(0, 8), noise(100_000)]), unreadable],
    ['a header of 2^63 bytes', file('{}', noise(100), 2n ** 63n), unreadable],
    ['a header of 4 GiB', file('{}', noise(100), 2n ** 32n - 1n), unreadable],
    ['a header of 99 MB', file('{}', noise(100), 99_000_000n), unreadable],
    ['brackets without end', file('['.repeat(1_000_000), noise(0)), unreadable],
    ['tensors on top of each other', changed(good, (header) => Object.values(header).forEach((t) => t.dtype && (t.data_offsets = first(header).data_offsets))), unreadable],
    ['a shape that no word counts', changed(good, (header) => (first(header).shape = [2 ** 32, 2 ** 32])), unreadable],
    ['other numbers', changed(good, (header) => Object.values(header).forEach((t) => t.dtype && (t.dtype = 'I32'))), /has no tensor/],
    ['half precision', changed(good, (header) => Object.values(header).forEach((t) => t.dtype && Object.assign(t, { dtype: 'F16', shape: [2, ...t.shape] }))), /only F32 is read/],
    ['a tensor of another shape', changed(good, (header) => header['encoder.blocks.0.attn.qkv.weight']!.shape.reverse()), /qkv.weight" is \[64, 192\], but the configuration asks for \[192, 64\]/],
    ['a tensor of another name', changed(good, (header) => rename(header, 'encoder.norm.bias', 'encoder.norm.bies')), /has no tensor "encoder.norm.bias"/],
    ['what is not finite', nan, /is not finite/],
    ['no word of its run', changed(good, (header) => delete header.__metadata__), /does not say where its run stands/],
    ['noise about its run', changed(good, (header) => Object.keys(header.__metadata__!).forEach((key) => (header.__metadata__![key] = '{"step":'))), /where its run stands can't be read/],
    ['no configuration', told(good, (text) => Object.assign(text, { config: null })), /how its run was configured/],
    ['a configuration of noise', told(good, (text) => (text.config = noise(1000).toString('latin1'))), /the checkpoint: line/],
    ['a step beyond the end', told(good, (text) => (text.step = 2 ** 53)), /beyond the run's end/],
    ['other data', told(good, (text) => (text.images = 17)), /17 images/],
    ['an epoch of no steps', told(good, (text) => (text.iterations_per_epoch = 0)), /in 0 steps an epoch/],
    ['a step before the first', told(good, (text) => (text.step = -1)), /where its run stands can't be read/],
    ['a crop of 10^9 pixels', configured(good, 'crop_size', 1e9), /data\.crop_size/],
    ['a crop of 65536 pixels', configured(good, 'crop_size', 65536), /data\.crop_size/],
    ['10^9 blocks', configured(good, 'depth', 1e9), /depth/],
    ['65536 blocks', configured(good, 'depth', 65536), /memory beside the GPU's/],
    ['a width of 65536', configured(good, 'pred_emb_dim', 65536), /memory beside the GPU's/],
    ['a batch of 10^9', configured(good, 'batch_size', 1e9), /data\.batch_size/],
    ['a batch of 65536', configured(good, 'batch_size', 65536), /fewer than a batch of 65536/],
    ['no image in a batch', configured(good, 'batch_size', 0), /data\.batch_size is 0/],
    ['64 masks of each kind in a batch of 4000', configured(configured(configured(good, 'num_pred_masks', 64), 'num_enc_masks', 64), 'batch_size', 4000), /4000/],
  ];
}

/** Loads the package and leaves it, with a small checkpoint, in the page; gives the checkpoint. */
async function open(page: Page, base: string): Promise<Buffer> {
  await openPackage(page, base);
  const text = await page.evaluate(async (small) => {
    const url = './pkg/ijepa.js';
    const package_ = (await import(url)) as typeof Ijepa;
    await package_.default();
    Object.assign(globalThis, { package_ });
    const trainer = await package_.Trainer.create({ preset: 'demo', set: small });
    await trainer.step();
    const bytes = await trainer.save();
    trainer.free();
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  }, SMALL);
  return Buffer.from(text, 'base64');
}

/** What the package answers to these bytes. */
const answer = (page: Page, to: 'resume' | 'replay', bytes: Buffer) =>
  page.evaluate(
    async ([to, text]) => {
      const { Trainer, replay } = (globalThis as unknown as { package_: typeof Ijepa }).package_;
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      try {
        if (to === 'resume') (await Trainer.resume(bytes)).free();
        else await replay(bytes, '', 5);
        return 'taken';
      } catch (error) {
        return `${(error as Error).name}: ${(error as Error).message}`;
      }
    },
    [to, bytes.toString('base64')] as const,
  );

/** A sentence of the library, which names no flag of a command, and no adapter without a name. */
function expectSentence(what: string, said: string, words: RegExp) {
  expect(said, what).toMatch(/^Error: [^]+/); // a trap is a RuntimeError
  const sentence = said.slice('Error: '.length);
  expect(sentence, what).toMatch(words);
  expect(sentence, what).not.toMatch(/ --[a-z]|adapter ""|unreachable/);
}

async function stillWorks(page: Page, good: Buffer) {
  const step = await page.evaluate(async (text) => {
    const { Trainer } = (globalThis as unknown as { package_: typeof Ijepa }).package_;
    const trainer = await Trainer.resume(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    return trainer.step();
  }, good.toString('base64'));
  expect(step).toMatchObject({ step: 2, finite: true });
}

test('checkpoints that are none, or whose run no machine takes', async ({ page, baseURL }) => {
  const good = await open(page, baseURL!);
  for (const [what, bytes, words] of hostile(good)) expectSentence(what, await answer(page, 'resume', bytes), words);
  // More than the module could even take in.
  const said = await page.evaluate(async () => {
    const { Trainer } = (globalThis as unknown as { package_: typeof Ijepa }).package_;
    const bytes = new Uint8Array(2 ** 31);
    return Trainer.resume(bytes).then(String, (error) => `${error.name}: ${error.message}`);
  });
  expectSentence('2 GiB', said, /32-bit addresses/);
  await stillWorks(page, good);
});

test('recordings that are none', async ({ page, baseURL }) => {
  const good = await open(page, baseURL!);
  const cases: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['half of it', good.subarray(0, good.length / 2)],
    ['noise', noise(100_000)],
    ['a header of 2^63 bytes', file('{}', noise(100), 2n ** 63n)],
  ];
  for (const [what, bytes] of cases) expectSentence(what, await answer(page, 'replay', bytes), /^the recording is no safetensors file/);
  expectSentence('a checkpoint', await answer(page, 'replay', good), /holds no recorded step/);
  const step = changed(good, (header) => {
    rename(header, 'encoder.norm.bias', 'step.0.images');
  });
  expectSentence('an image without masks', await answer(page, 'replay', step), /masks_enc/);
  await stillWorks(page, good);
});

test('networks that a browser’s 32-bit addresses can’t hold', async ({ page, baseURL }) => {
  const good = await open(page, baseURL!);
  const refused = (settings: Ijepa.Settings) =>
    page.evaluate(async (settings) => {
      const { Trainer } = (globalThis as unknown as { package_: typeof Ijepa }).package_;
      return Trainer.create(settings).then(String, (error) => `${error.name}: ${error.message}`);
    }, settings);
  for (const preset of ['large', 'huge', 'giant']) {
    expectSentence(preset, await refused({ preset, set: ['data.batch_size=1'] }), /memory beside the GPU's.*of the presets: demo, nano, tiny, small, base/);
  }
  // Sizes whose products leave 32 bits must not come back as small ones.
  expectSentence('wide', await refused({ preset: 'demo', set: ['meta.model.embed_dim=65536', 'meta.model.num_heads=64', 'meta.pred_emb_dim=64'] }), /memory beside the GPU's/);
  expectSentence('fine', await refused({ preset: 'demo', set: [...SMALL, 'data.crop_size=65536', 'mask.patch_size=64'] }), /not even one image fits/);
  expectSentence('many', await refused({ preset: 'demo', set: ['data.batch_size=4000', 'meta.model.mlp_ratio=64'] }), /MiB, but adapter ".*swiftshader.*" binds at most.*fits \(data\.batch_size\)/i);
  expectSentence('a variant', await refused({ preset: 'demo', variant: 'cube' }), /no kernel variant "cube"/);
  await stillWorks(page, good);
});

test('a run goes on with the kernels that are asked for', async ({ page, baseURL }) => {
  const good = await open(page, baseURL!);
  const said = await page.evaluate(async (text) => {
    const { Trainer } = (globalThis as unknown as { package_: typeof Ijepa }).package_;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const losses: number[] = [];
    for (const variant of [undefined, 'any', 'tile']) losses.push((await (await Trainer.resume(bytes, null, variant)).step()).loss);
    const wrong = await Trainer.resume(bytes, null, 'cube').then(String, (error) => error.message);
    return { losses, wrong };
  }, good.toString('base64'));
  expect(said.wrong).toContain('no kernel variant "cube"');
  for (const loss of said.losses) expect(Math.abs(loss / said.losses[0]! - 1)).toBeLessThan(1e-4);
});
