// All work on the GPU, on images and on storage happens here, so that the page stays free to answer.
import start, { adapter, check, configuration, Inspector, type Settings } from 'ijepa';
import { Walker } from './how/walk';
import { Eye } from './inside/eye';
import type { Source } from './inside/messages';
import type { FromWorker, ToWorker } from './messages';
import { Pictures, type Picture } from './pictures';
import { Diverged, imagesOf, Run, type Kept } from './run';
import { canGoOn, claim, forgetImages, forgetRun, savedImages, savedRun, tooManyImages } from './storage';

const say = (message: FromWorker) => self.postMessage(message);
const why = (error: unknown) => (error instanceof Error ? error.message : String(error));
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const pictures = new Pictures((reading) => say({ kind: 'reading', reading }));
let run: Run | null = null;
/** The images that the run has, which need not be those chosen for the next one. */
let trained: Picture[] = [];

// What has the trainer; the next waits for it.
let turn: Promise<void> = Promise.resolve();
const inTurn = (what: () => Promise<void>) => (turn = turn.then(what).catch(failed));

// The loss of the device that the present trainer has. Each trainer gets a promise of its own, before it opens its device.
let lost = forDevice();
/** Another one that the device which is being opened belongs to. */
let opening: typeof lost | null = null;
function forDevice() {
  let reject = (_: Error) => {};
  const promise = new Promise<never>((_, no) => (reject = no));
  const loss = { promise, reject, happened: false, refused: false };
  promise.catch(() => (loss.happened = true)); // nobody else may be waiting
  return loss;
}

class DeviceLost extends Error {
  override message = 'the GPU went away';
}

function watchDevices() {
  const adapters = globalThis.GPUAdapter?.prototype;
  if (!adapters) return;
  const { gpu } = navigator;
  const find = gpu.requestAdapter;
  gpu.requestAdapter = async function (options) {
    const mine = opening ?? lost;
    const adapter = await find.call(this, options);
    mine.refused = !adapter;
    return adapter;
  };
  const open = adapters.requestDevice;
  adapters.requestDevice = async function (descriptor) {
    const mine = opening ?? lost;
    mine.refused = true; // until it is there
    const device = await open.call(this, descriptor);
    mine.refused = false;
    void device.lost.then(() => mine.reject(new DeviceLost()));
    return device;
  };
}

/** Waits for the GPU, but no longer than it is there. */
const onGpu = <T>(work: Promise<T>) => Promise.race([work, lost.promise]);

async function failed(error: unknown): Promise<void> {
  // A step that fails because of a loss may say so before the browser does.
  if (!(error instanceof DeviceLost)) error = await Promise.race([lost.promise, pause(500).then(() => error)]).catch((loss) => loss);
  if (error instanceof DeviceLost && run) return comeBack(run);
  if (run) run.running = false;
  if (run) say({ kind: 'running', running: false, finished: false });
  refuse(error);
}

function refuse(error: unknown) {
  const text = why(error);
  if (error instanceof Diverged) return say({ kind: 'failed', what: 'diverged', why: text });
  const memory = /memory|exceeds? the|too large|binds at most|buffer size|allocation/i.test(text);
  say({ kind: 'failed', what: memory ? 'memory' : 'run', why: text });
}

/** The device is gone: opens another one and goes on from what was kept last. */
async function comeBack(gone: Run): Promise<void> {
  const { kept } = gone;
  const stored = kept?.stored ?? null;
  run = null; // its trainer is in the middle of something, and can't be freed
  say({ kind: 'lost', again: true, step: kept?.head.step ?? 0, stored });
  for (const wait of [500, 2000, 8000, 30_000]) {
    await pause(wait);
    if (!kept) break;
    lost = forDevice();
    try {
      await resume(kept, gone.running);
      return;
    } catch (error) {
      // What is no matter of the GPU comes again each time.
      if (!(error instanceof DeviceLost || lost.happened || lost.refused)) return refuse(error);
    }
  }
  say({ kind: 'lost', again: false, step: kept?.head.step ?? 0, stored });
}

/** Opens something on a device of its own, whose loss is not the run's. */
async function apart<T>(open: () => Promise<T>) {
  const mine = (opening = forDevice());
  try {
    return { opened: await Promise.race([open(), mine.promise]), lost: mine };
  } finally {
    opening = null;
  }
}

const walker = new Walker(apart);
async function walk(image: number, take: boolean) {
  const mine = run;
  try {
    const walk = walker.walk(mine, image, take);
    say({ kind: 'walked', walk: await (mine?.last ? onGpu(walk) : walk), why: '' });
  } catch (error) {
    say({ kind: 'walked', walk: null, why: error instanceof DeviceLost ? 'the GPU went away' : why(error) });
    if (mine && lost.happened) throw error; // the run's own device
  }
}

function letGo() {
  walker.free();
  lost = forDevice();
  run?.trainer.free();
  run = null;
}

async function begin(settings: Settings, own: boolean, running: boolean) {
  letGo();
  const crop = Number(/crop_size: (\d+)/.exec(configuration(settings))?.[1] ?? 32);
  if (own) say({ kind: 'busy', text: 'Reading your images…' });
  if (own && !(await pictures.fit(crop))) throw new Error('none of your images could be read');
  say({ kind: 'busy', text: 'Opening the GPU and drawing the first weights…' });
  trained = own ? pictures.all.slice() : []; // more may be dropped while these train
  run = await onGpu(Run.create(settings, trained, say));
  run.running = running;
  run.announce();
  const why = tooManyImages(trained);
  if (why) say({ kind: 'unsaved', why });
  void loop(run);
}

async function resume(kept: Kept, running: boolean) {
  run = await onGpu(Run.resume(kept, trained, say));
  run.running = running && !run.finished;
  run.announce();
  void loop(run);
}

async function goOn() {
  const found = await savedRun();
  if (!found) throw new Error('the saved run is gone from this browser’s storage');
  say({ kind: 'busy', text: 'Opening the GPU and the saved weights…' });
  const images = found.head.images ? await savedImages(found.head.images) : [];
  if (images?.length !== found.head.own) throw new Error('the images of the saved run are not in this browser’s storage: start a new run');
  letGo();
  trained = images;
  await resume({ head: found.head, checkpoint: new Uint8Array(await found.body.arrayBuffer()), stored: found.head.step }, true);
}

/** The images that a network can be looked at with: those chosen last, or those that the run has. */
async function ownImages(crop: number, count: number) {
  if (pictures.all.length) await pictures.fit(crop);
  let all = pictures.all.length ? pictures.all : trained;
  const name = all.length ? null : (await savedRun())?.head.images;
  if (name) all = (await savedImages(name)) ?? [];
  // Some of each part are enough to choose from.
  const stride = Math.max(1, Math.floor(all.length / (4 * count)));
  return imagesOf(all.filter((_, i) => i % stride === 0));
}

/** What is looked into has a device of its own, unless it is the run under way. */
let eyeLost = lost;
async function look(source: Source): Promise<Inspector> {
  if (source.from === 'run') {
    if (!run) throw new Error('there is no run under way');
    eyeLost = lost;
    return onGpu(run.trainer.inspect());
  }
  const body = source.from === 'file' ? source.file : (await savedRun())?.body;
  if (!body) throw new Error('the saved run is gone from this browser’s storage');
  const bytes = new Uint8Array(await body.arrayBuffer());
  const { opened, lost: mine } = await apart(() => Inspector.open(bytes));
  eyeLost = mine;
  return opened;
}

let software = false;
const eye = new Eye({
  say: (answer) => say({ kind: 'answer', answer }),
  software: () => software,
  async open(source, gone) {
    const inspector = await look(source);
    eyeLost.promise.catch(gone);
    return inspector;
  },
  own: ownImages,
  onGpu: (work) => Promise.race([work, eyeLost.promise]),
  lost: (error) => error instanceof DeviceLost || eyeLost.happened,
});

/** Steps while this run runs. Each waits its turn, so that whatever the visitor asks for comes between two. */
async function loop(mine: Run) {
  while (run === mine && mine.running && !mine.finished) {
    await inTurn(async () => {
      if (run !== mine || !mine.running) return;
      await onGpu(mine.take());
      if (mine.finished) stop(mine);
    });
  }
}

/** All that can't work in settings. The library stops at the first: what it names is left out, and the rest asked again. */
function complaints({ preset, set = [] }: Settings): string[] {
  const whys: string[] = [];
  for (let rest = set, left = -1; rest.length !== left; ) {
    try {
      check({ preset, set: rest });
      break;
    } catch (error) {
      const text = why(error);
      whys.push(text);
      left = rest.length;
      rest = rest.filter((entry) => !text.includes(entry.split('=')[0]!));
    }
  }
  return whys;
}

function stop(mine: Run) {
  mine.running = false;
  mine.tell(true);
  say({ kind: 'running', running: false, finished: mine.finished });
}

function hear(message: ToWorker) {
  switch (message.kind) {
    case 'start':
      inTurn(() => begin(message.settings, message.own, message.running));
      break;
    case 'continue':
      inTurn(goOn);
      break;
    case 'forget':
      inTurn(forgetRun);
      break;
    case 'run':
      inTurn(async () => {
        if (!run || run.running || run.finished) return;
        run.running = true;
        say({ kind: 'running', running: true, finished: false });
        void loop(run);
      });
      break;
    case 'pause':
      if (run) run.running = false; // the step under way is the last one
      inTurn(async () => {
        if (!run) return;
        stop(run);
        await onGpu(run.save()); // first: the page may be closed now
        await onGpu(run.settle());
      });
      break;
    case 'step':
      inTurn(async () => {
        if (!run || run.running || run.finished) return;
        await onGpu(run.take());
        stop(run);
      });
      break;
    case 'reset':
      if (run) run.running = false;
      inTurn(async () => {
        letGo();
        trained = [];
        await forgetRun();
        say({ kind: 'reset' });
      });
      break;
    case 'check': {
      const whys = complaints(message.settings);
      say({ kind: 'checked', id: message.id, whys, config: whys.length ? null : configuration(message.settings) });
      break;
    }
    case 'read':
      void pictures.add(message.files, message.unreadable, message.crop);
      break;
    case 'drop images':
      pictures.clear();
      break;
    case 'weights':
      inTurn(async () => {
        if (!run) return;
        const bytes = await onGpu(run.trainer.save());
        say({ kind: 'file', name: `ijepa-step-${run.step}.safetensors`, bytes: new Blob([bytes as BlobPart]) });
      });
      break;
    case 'walk':
      inTurn(() => walk(message.image, message.take));
      break;
    case 'ask':
      eye.note(message.ask);
      inTurn(async () => {
        await eye.answer(message.ask);
        if (run && lost.happened) await comeBack(run);
      });
      break;
    case 'csv':
      inTurn(async () => {
        if (run) say({ kind: 'file', name: `ijepa-step-${run.step}.csv`, bytes: new Blob([run.csv()], { type: 'text/csv' }) });
      });
      break;
  }
}

try {
  await start();
  const found = await adapter();
  software = found.software;
  watchDevices();
  const keeps = await claim();
  const head = keeps ? ((await savedRun())?.head ?? null) : null;
  if (keeps) await forgetImages(head?.images ?? null).catch(() => {}); // of a run that came to nothing
  const saved = head && (await canGoOn(head)) ? head : null;
  self.addEventListener('message', (event: MessageEvent<ToWorker>) => hear(event.data));
  say({ kind: 'ready', adapter: found, saved: saved && { when: saved.when, step: saved.step, steps: saved.steps, own: saved.own }, keeps });
} catch (error) {
  say({ kind: 'failed', what: 'load', why: why(error) });
}
