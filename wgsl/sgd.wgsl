// sgd: gradient descent with momentum; heads side by side, each with a rate and a decay of its own.
//   v = momentum * v + g + decays * decay_h * p      p -= schedule * rate_h * v      h = at / head, the value's head
//   reads  g [count]   settings [heads] = (rate, decay)      writes  p, v [count] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/sgd.rs
struct Params { count: u32, per_lane: u32, head: u32, momentum: f32, schedule: f32, decays: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Item>;
@group(0) @binding(2) var<storage, read> settings: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> p: array<Item>;
@group(0) @binding(4) var<storage, read_write> v: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let own = settings[at / params.head];
        let velocity = params.momentum * v[at] + g[at] + params.decays * own.y * p[at];
        v[at] = velocity;
        p[at] -= params.schedule * own.x * velocity;
    }
}
