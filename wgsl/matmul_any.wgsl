// matmul, the variant that runs anywhere: C = A * B for any shape and any stride, one sum a lane.
//   reads  a, b (FORM says how they lie)   bias [N]      writes  c, aux: see EPILOGUE in shared/matmul.wgsl
//   grid   [sums / LANES folded over x and y, 1, batch]   order  k ascending      twin  src/cpu/matmul.rs
@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = (group.x + group.y * groups.x) * LANES + lane;
    if (number >= params.m * params.n) { return; }
    let row = number / params.n;
    let column = number % params.n;
    var at_a = start(params.a, group.z);
    var at_b = start(params.b, group.z);
    var step_a = 1u;
    var step_b = params.b.row;
    if (FORM == TN) {
        at_a += row;
        step_a = params.a.row;
    } else {
        at_a += row * params.a.row;
    }
    if (FORM == NT) {
        at_b += column * params.b.row;
        step_b = 1u;
    } else {
        at_b += column;
    }
    var sum = 0.0;
    for (var k = 0u; k < params.k; k += 1u) {
        sum += item_of_a(at_a) * item_of_b(at_b);
        at_a += step_a;
        at_b += step_b;
    }
    finish(start(params.c, group.z) + row * params.c.row + column, column, sum);
}
