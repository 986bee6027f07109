// cast: f32 to 16 bits a value, two to a word; what products in 16 bits read.   y = round(x), to the nearest, ties to even;
//   round(factor * x) where SCALED is 1
//   reads  x [count Wide]   factors [8], as largest_factors makes them      writes  y [count Narrow: see shared/cast_*.wgsl] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/cast.rs
struct Params { count: u32, per_lane: u32, values: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Wide>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Narrow>;

fn scaled(values: vec2<f32>) -> vec2<f32> {
    if (SCALED == 1u) { return factors[4] * values; }
    return values;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) { y[at] = narrowed(at); }
}
