// adamw: AdamW with decoupled decay, and the target's moving average where EMA is 1; each weight read and written once.
//   p *= decay   m = 0.9 m + 0.1 g   v = 0.999 v + 0.001 g^2   p -= rate * m / (sqrt(v) * root + 1e-8)
//   t = momentum * t + rest * p (as just updated)
//   decay = 1 - lr * wd, rate = lr / (1 - 0.9^step), root = 1 / sqrt(1 - 0.999^step): the host's, in f64
//   reads  g [count]   control: [0] not 0: nothing changes; [1] the factor on g (gradient_norm_check)
//   writes p, m, v [count] =   t [count] = where EMA is 1
//   grid   count / (LANES * per_lane)      twin  src/cpu/adamw.rs
struct Params { count: u32, per_lane: u32, decay: f32, rate: f32, root: f32, momentum: f32, rest: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Item>;
@group(0) @binding(2) var<storage, read> control: array<u32>;
@group(0) @binding(3) var<storage, read_write> p: array<Item>;
@group(0) @binding(4) var<storage, read_write> m: array<Item>;
@group(0) @binding(5) var<storage, read_write> v: array<Item>;
@group(0) @binding(6) var<storage, read_write> t: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if (control[0] != 0u) { return; }
    let factor = bitcast<f32>(control[1]);
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let gradient = g[at] * factor;
        let mean = 0.9 * m[at] + 0.1 * gradient;
        let square = 0.999 * v[at] + 0.001 * gradient * gradient;
        let updated = p[at] * params.decay - params.rate * mean / (sqrt(square) * params.root + Item(1e-8));
        m[at] = mean;
        v[at] = square;
        p[at] = updated;
        if (EMA == 1u) { t[at] = params.momentum * t[at] + params.rest * updated; }
    }
}
