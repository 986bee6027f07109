// reduce: the sum of a list of partial sums, times a factor, into one slot of the results.
//   reads  partial [count]      writes  results[slot] = factor * sum
//   grid   one workgroup      order  lane l adds l, l + LANES, ...; then lane 0 adds the lanes in order
//   twin   src/cpu/reduce.rs
struct Params { count: u32, slot: u32, factor: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> results: array<f32>;

var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.count; i += LANES) { sum += partial[i]; }
    sums[lane] = sum;
    workgroupBarrier();
    if (lane != 0u) { return; }
    var total = 0.0;
    for (var i = 0u; i < min(params.count, LANES); i += 1u) { total += sums[i]; }
    results[params.slot] = params.factor * total;
}
