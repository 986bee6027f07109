// ceiling_arithmetic: products and sums on registers alone: the rate of f32 arithmetic in shaders here.
//   x_i = lane + i, then `rounds` times eight of x_i = x_i * a + b, for i = 0, 1, 2, 3 and each of four components
//   writes y [lanes of the grid, 4] = x_0 + x_1 + x_2 + x_3
//   grid   as many workgroups as are asked for      twin  src/cpu/ceiling.rs
struct Params { rounds: u32, a: f32, b: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn eight(x: vec4<f32>, a: f32, b: vec4<f32>) -> vec4<f32> {
    let x1 = x * a + b;
    let x2 = x1 * a + b;
    let x3 = x2 * a + b;
    let x4 = x3 * a + b;
    let x5 = x4 * a + b;
    let x6 = x5 * a + b;
    let x7 = x6 * a + b;
    return x7 * a + b;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = params.a;
    let b = vec4(params.b);
    // Sixteen chains: as many as hide the time of one product and sum.
    var x0 = vec4(f32(lane));
    var x1 = x0 + 1.0;
    var x2 = x0 + 2.0;
    var x3 = x0 + 3.0;
    for (var round = 0u; round < params.rounds; round += 1u) {
        x0 = eight(x0, a, b);
        x1 = eight(x1, a, b);
        x2 = eight(x2, a, b);
        x3 = eight(x3, a, b);
    }
    y[group.x * LANES + lane] = (x0 + x1) + (x2 + x3);
}
