// mean_pool_backward: every token gets its share of its sequence's gradient.   dx[r] = inverse * dy[r / tokens]
//   reads  dy [B, C]      writes  dx [B * tokens, C] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/mean_pool.rs
struct Params { count: u32, per_lane: u32, items: u32, tokens: u32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Item>;
@group(0) @binding(2) var<storage, read_write> dx: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let sequence = at / params.items / params.tokens;
        dx[at] = params.inverse * dy[sequence * params.items + at % params.items];
    }
}
