// mean_pool: the mean over each sequence's tokens.   y[b] = inverse * (x[b * tokens] + x[b * tokens + 1] + ...)
//   reads  x [B * tokens, C]      writes  y [B, C] =
//   grid   [C / LANES, B]; a lane owns a column Item of a sequence      order  tokens ascending      twin  src/cpu/mean_pool.rs
struct Params { items: u32, tokens: u32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * LANES + lane;
    if (column >= params.items) { return; }
    let first = group.y * params.tokens;
    var sum = Item();
    for (var token = 0u; token < params.tokens; token += 1u) { sum += x[(first + token) * params.items + column]; }
    y[group.y * params.items + column] = params.inverse * sum;
}
