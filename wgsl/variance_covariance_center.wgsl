// variance_covariance_center: the mean of each column is taken off, in place.
//   reads  sums [C] (column_sum of x)      writes  x [n, C] -=
//   grid   count / (LANES * per_lane)      twin  src/cpu/variance_covariance.rs
struct Params { count: u32, per_lane: u32, items: u32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<Item>;
@group(0) @binding(2) var<storage, read_write> x: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        x[at] -= sums[at % params.items] * params.inverse;
    }
}
