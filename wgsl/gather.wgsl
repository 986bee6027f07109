// gather: the listed rows.   y[r] = x[list[r]]
//   reads  x [any, C]   list [rows] u32      writes  y [rows, C] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/gather.rs
struct Params { count: u32, per_lane: u32, items: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        y[at] = x[list[at / params.items] * params.items + at % params.items];
    }
}
