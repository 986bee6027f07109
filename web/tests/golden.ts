// The comparison of tests/golden/compare.py: how far a replayed run is from the reference's recording.

interface Tensor {
  shape: number[];
  values: Float64Array;
}

/** The F32 tensors of a safetensors file. */
export function tensors(file: Uint8Array): Map<string, Tensor> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const found = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__' || dtype !== 'F32') continue;
    const [start, end] = data_offsets;
    const at = (i: number) => view.getFloat32(8 + length + start + 4 * i, true);
    found.set(name, { shape, values: Float64Array.from({ length: (end - start) / 4 }, (_, i) => at(i)) });
  }
  return found;
}

const LIMITS = {
  lr: 1e-6,
  wd: 1e-6,
  momentum: 1e-6,
  loss: 3e-6,
  activation: 4e-6,
  grad: 2e-5,
  change: 3e-3,
  target_change: 3e-2,
  decay: 1e-5,
};
type Kind = keyof typeof LIMITS;

const norm = (x: Float64Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
const minus = (x: Float64Array, y: Float64Array) => x.map((v, i) => v - y[i]!);
const distance = (x: Float64Array, y: Float64Array) => norm(minus(x, y)) / (norm(y) + 1e-30);

/** What lies beyond the limits, a line each; nothing where the result is the reference's. */
export function differences(input: Uint8Array, expected: Uint8Array, result: Uint8Array): string[] {
  const [given, wanted, got] = [tensors(input), tensors(expected), tensors(result)];
  const wrong: string[] = [];
  const note = (kind: Kind, value: number, name: string) => {
    if (!(value <= LIMITS[kind])) wrong.push(`${name}: ${kind} ${value.toExponential(1)}, at most ${LIMITS[kind]}`);
  };
  for (const [name, want] of wanted) {
    const have = got.get(name);
    if (have?.values.length !== want.values.length) {
      wrong.push(`${name}: missing, or of another size`);
      continue;
    }
    // The key's part of this bias has no gradient: it is rounding noise.
    const third = name.endsWith('attn.qkv.bias') ? want.values.length / 3 : 0;
    const cut = (x: Float64Array) => (third ? Float64Array.from([...x.subarray(0, third), ...x.subarray(2 * third)]) : x);
    const [g, e] = [cut(have.values), cut(want.values)];
    const last = name.split('.').at(-1)!;
    if (!name.startsWith('final.')) {
      const kind = ['lr', 'wd', 'momentum', 'loss'].includes(last) ? (last as Kind) : name.includes('.grad.') ? 'grad' : 'activation';
      note(kind, distance(g, e), name);
    } else if (name.includes('pos_embed')) {
      note('change', distance(g, e), name);
    } else {
      const before = cut(given.get(name.slice(6).replace('target_encoder.', 'encoder.'))!.values);
      const kind = name.includes('target_encoder') ? 'target_change' : 'change';
      note(kind, distance(minus(g, before), minus(e, before)), name);
      // A wrong weight decay is small beside the change, but points along the weights.
      const along = minus(g, e).reduce((sum, v, i) => sum + v * before[i]!, 0);
      note('decay', Math.abs(along) / norm(before) ** 2, name);
    }
  }
  return wrong;
}
