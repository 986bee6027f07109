// largest: the largest of the absolute values of a matrix, a lane's share at a time (largest_factors takes the lanes').
//   As integers: bits of positive floats are in the order of their values, infinity and what is no number above them all.
//   reads  x [count]      writes  partial [lanes of the grid] = bits
//   grid   count / (LANES * per_lane)      twin  src/cpu/largest.rs
struct Params { count: u32, per_lane: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> partial: array<u32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var most = 0u;
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) { most = max(most, item_most_bits(x[at])); }
    partial[(group.x + group.y * groups.x) * LANES + lane] = most;
}
