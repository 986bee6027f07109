// The settings that matter, as a form. Which values can work is the library's to say: its sentence is put beside the field.
import type { Settings } from 'ijepa';
import { make } from './make';

interface Field {
  name: string;
  label: string;
  /** What it does, in a sentence. */
  hint: string;
  /** Key of the configuration; with two boxes for a [low, high]. */
  key: string;
  boxes: 1 | 2;
}

const FIELDS: Field[] = [
  { name: 'lr', label: 'Learning rate', hint: 'How far each step moves the weights, after the warm-up.', key: 'optimization.lr', boxes: 1 },
  {
    name: 'ema',
    label: 'EMA, first and last',
    hint: 'How slowly the target network follows: nearer to 1 is slower.',
    key: 'optimization.ema',
    boxes: 2,
  },
  {
    name: 'target',
    label: 'Target scale, low and high',
    hint: 'Share of the image that each target block covers.',
    key: 'mask.pred_mask_scale',
    boxes: 2,
  },
  {
    name: 'context',
    label: 'Context scale, low and high',
    hint: 'Share of the image that the context block covers, before the targets are cut out of it.',
    key: 'mask.enc_mask_scale',
    boxes: 2,
  },
  { name: 'targets', label: 'Number of targets', hint: 'Target blocks of each image.', key: 'mask.num_pred_masks', boxes: 1 },
  { name: 'batch', label: 'Batch', hint: 'Images in a step: more is steadier, and slower.', key: 'data.batch_size', boxes: 1 },
  {
    name: 'steps',
    label: 'Steps',
    hint: 'Length of the run; the learning rate’s and the EMA’s courses stretch over it.',
    key: 'optimization.steps',
    boxes: 1,
  },
  { name: 'seed', label: 'Seed', hint: 'Decides every random draw: the same seed gives the same run.', key: 'meta.seed', boxes: 1 },
];

const PRESETS = [
  ['demo', 'demo: 64 channels, 32 pixels; minutes on a GPU'],
  ['nano', 'nano: 96 channels, for small photographs'],
  ['tiny', 'tiny: ViT-Tiny, 224 pixels; hours on a good GPU'],
  ['small', 'small: ViT-Small, 224 pixels'],
  ['base', 'base: ViT-Base, 224 pixels; a large GPU and patience'],
] as const;

export class SettingsForm {
  private preset = make('select', { id: 'set-preset', name: 'preset' });
  private boxes = new Map<string, HTMLInputElement[]>();
  private errors = new Map<string, HTMLElement>();
  private defaults = new Map<string, HTMLElement>();
  private more = make('textarea', { id: 'set-more', name: 'more', rows: 3, spellcheck: false });
  /** The reason why the form's settings can't work, if they can't. */
  why: string | null = null;
  /** Side of the images that the network sees. */
  crop = 32;
  batch = 32;

  constructor(form: HTMLFormElement, changed: () => void) {
    for (const [value, text] of PRESETS) this.preset.append(make('option', { value }, text + (value === 'demo' ? ' (default)' : '')));
    form.append(this.row('preset', 'Preset', 'Network, images and schedule; what is left empty below comes from it.', [this.preset]));
    for (const { name, label, hint, key, boxes } of FIELDS) {
      const inputs = Array.from({ length: boxes }, (_, i) => {
        const input = make('input', { id: i ? `set-${name}-${i}` : `set-${name}`, name, type: 'text', inputMode: 'decimal' });
        if (boxes === 2) input.setAttribute('aria-label', i ? label.replace(/first and |low and /, '') : label.replace(/ and .*/, ''));
        return input;
      });
      this.boxes.set(key, inputs);
      form.append(this.row(name, label, hint, inputs));
    }
    this.more.placeholder = 'optimization.weight_decay=0.1';
    form.append(this.row('more', 'Anything else', 'One key=value in a line, as ijepa info --keys lists them.', [this.more]));
    const back = make('button', { type: 'button' }, 'All back to defaults');
    back.addEventListener('click', () => {
      form.reset();
      changed();
    });
    form.append(make('div', { className: 'buttons' }, back));
    form.addEventListener('input', changed);
    form.addEventListener('submit', (event) => event.preventDefault());
  }

  private row(name: string, label: string, hint: string, inputs: HTMLElement[]) {
    const standard = make('span', { className: 'default' });
    const error = make('p', { id: `why-${name}`, className: 'why-not', ariaLive: 'polite', hidden: true });
    this.errors.set(name, error);
    this.defaults.set(name, standard);
    for (const input of inputs) input.setAttribute('aria-describedby', `hint-${name} why-${name}`);
    return make(
      'div',
      { className: name === 'preset' || name === 'more' ? 'field long' : 'field' },
      make('label', { htmlFor: inputs[0]!.id }, label),
      make('div', { className: 'boxes' }, ...inputs),
      make('p', { id: `hint-${name}`, className: 'hint' }, hint, ' ', standard),
      error,
    );
  }

  /** The settings as they stand; with `preset` alone, what the fields leave empty. */
  settings(presetAlone = false): Settings {
    const set: string[] = [];
    if (presetAlone) return { preset: this.preset.value };
    for (const [key, inputs] of this.boxes) {
      const values = inputs.map(({ value, placeholder }) => value.trim() || placeholder);
      if (inputs.every(({ value }) => !value.trim())) continue;
      set.push(inputs.length === 2 ? `${key}=[${values.join(', ')}]` : `${key}=${values[0]}`);
    }
    set.push(...this.more.value.split('\n').map((line) => line.trim()).filter(Boolean));
    return { preset: this.preset.value, set };
  }

  /** Marks the preset's own values as defaults. */
  showDefaults(config: string) {
    for (const { name, key, boxes } of FIELDS) {
      const text = valueOf(config, key);
      const values = boxes === 2 ? text.replace(/[[\]]/g, '').split(', ') : [text === 'null' ? '' : text];
      this.boxes.get(key)!.forEach((input, i) => (input.placeholder = values[i] ?? ''));
      this.defaults.get(name)!.textContent = text === 'null' ? 'Default: from the number of images' : `Default: ${values.join(' – ')}`;
    }
  }

  /** Takes what the library says of the settings: why they can't work, or the configuration that they mean. */
  judge(whys: string[], config: string | null, images: number) {
    if (config) {
      this.crop = Number(valueOf(config, 'data.crop_size')) || 32;
      this.batch = Number(valueOf(config, 'data.batch_size')) || 32;
    }
    if (!whys.length && images && images < this.batch) {
      whys = [`data.batch_size ${this.batch} is more than your ${images} images: use a smaller batch, or more images`];
    }
    this.why = whys[0] ?? null;
    const meant = new Map(whys.map((why) => [fieldOf(why), why]).reverse() as [string, string][]); // the first of a field counts
    for (const [name, error] of this.errors) {
      const wrong = meant.has(name);
      error.hidden = !wrong;
      error.textContent = wrong ? sentence(meant.get(name)!) : '';
      const field = FIELDS.find((field) => field.name === name);
      for (const input of field ? this.boxes.get(field.key)! : [name === 'more' ? this.more : this.preset]) {
        if (wrong) input.setAttribute('aria-invalid', 'true');
        else input.removeAttribute('aria-invalid');
      }
    }
  }

  /** Brings the visitor to the field that is wrong. */
  focusWrong() {
    document.querySelector<HTMLElement>('#form [aria-invalid]')?.focus();
  }

  /** How many settings differ from the preset's. */
  get changed(): number {
    return (this.settings().set?.length ?? 0) + (this.preset.value === 'demo' ? 0 : 1);
  }
}

/** The field that is meant by a sentence: the one whose key it names first. */
function fieldOf(why: string): string {
  let meant = 'more';
  let first = Infinity;
  for (const { name, key } of FIELDS) {
    const at = why.indexOf(key);
    if (at >= 0 && at < first) [meant, first] = [name, at];
  }
  return meant;
}

/** `section.key` in the library's YAML, which has two levels. */
function valueOf(config: string, key: string): string {
  const [section, name] = key.split('.');
  const part = new RegExp(`^${section}:\\n((?: .*\\n?)*)`, 'm').exec(config)?.[1] ?? '';
  return new RegExp(`^ +${name}: (.*)$`, 'm').exec(part)?.[1] ?? '';
}

function sentence(text: string): string {
  const key = /^\S*\.\S/.test(text); // a key stays as it is written
  return (key ? text.charAt(0) : text.charAt(0).toUpperCase()) + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
