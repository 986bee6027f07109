// ceiling_copy: y = x, and nothing else: the rate at which memory can be read and written by shaders here.
//   reads  x [count]      writes y [count] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/ceiling.rs
struct Params { count: u32, per_lane: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        y[at] = x[at];
    }
}
