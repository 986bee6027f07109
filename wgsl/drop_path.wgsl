// drop_path: a residual branch times a number of each sequence's own (stochastic depth: 0 where it is dropped).
//   y[r] = scales[r / tokens] * x[r], where ADD is 1 + shortcut[r]      the gradient of x is the same without the shortcut
//   reads  x [B * tokens, C]   scales [B]   shortcut [B * tokens, C] where ADD is 1      writes  y [B * tokens, C] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/drop_path.rs
struct Params { count: u32, per_lane: u32, items: u32, tokens: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read> shortcut: array<Item>;
@group(0) @binding(4) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        var value = scales[at / params.items / params.tokens] * x[at];
        if (ADD == 1u) { value += shortcut[at]; }
        y[at] = value;
    }
}
