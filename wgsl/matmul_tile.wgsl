// matmul, the variant for GPUs: a workgroup makes a 64 x 64 tile of C from panels of 16 k in workgroup memory,
// each of its 256 lanes a 4 x 4 block in registers (rows lane/16 + 16 i, columns lane%16 + 16 j: no bank conflicts).
//   reads  a, b (FORM says how they lie)   bias [N]      writes  c, aux: see EPILOGUE in shared/matmul.wgsl
//   grid   [N / 64, M / 64, batch]   any shape   order  k ascending      twin  src/cpu/matmul.rs
const SIDE: u32 = 64u;
const DEPTH: u32 = 16u;
const PITCH: u32 = 65u; // one more than SIDE, so that a column of a panel lies in different banks
var<workgroup> panel_a: array<f32, 1040>; // [DEPTH, PITCH]
var<workgroup> panel_b: array<f32, 1040>;

fn a_at(first: u32, row: u32, k: u32) -> f32 {
    if (row >= params.m || k >= params.k) { return 0.0; }
    if (FORM == TN) { return item_of_a(first + k * params.a.row + row); }
    return item_of_a(first + row * params.a.row + k);
}
fn b_at(first: u32, k: u32, column: u32) -> f32 {
    if (column >= params.n || k >= params.k) { return 0.0; }
    if (FORM == NT) { return item_of_b(first + column * params.b.row + k); }
    return item_of_b(first + k * params.b.row + column);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_a = start(params.a, group.z);
    let first_b = start(params.b, group.z);
    let row0 = group.y * SIDE;
    let column0 = group.x * SIDE;
    let across = lane % 16u;
    let down = lane / 16u;
    var c0 = vec4<f32>();
    var c1 = vec4<f32>();
    var c2 = vec4<f32>();
    var c3 = vec4<f32>();
    for (var k0 = 0u; k0 < params.k; k0 += DEPTH) {
        workgroupBarrier();
        // Adjacent lanes read adjacent addresses: along k where k is contiguous, else along the tile's side.
        for (var i = 0u; i < 4u; i += 1u) {
            let by_k = vec2(lane % DEPTH, lane / DEPTH + 16u * i);
            let by_side = vec2(lane / SIDE + 4u * i, lane % SIDE);
            let at_a = select(by_k, by_side, FORM == TN);
            let at_b = select(by_side, by_k, FORM == NT);
            panel_a[at_a.x * PITCH + at_a.y] = a_at(first_a, row0 + at_a.y, k0 + at_a.x);
            panel_b[at_b.x * PITCH + at_b.y] = b_at(first_b, k0 + at_b.x, column0 + at_b.y);
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k += 1u) {
            let pa = k * PITCH + down;
            let pb = k * PITCH + across;
            let vb = vec4(panel_b[pb], panel_b[pb + 16u], panel_b[pb + 32u], panel_b[pb + 48u]);
            c0 += panel_a[pa] * vb;
            c1 += panel_a[pa + 16u] * vb;
            c2 += panel_a[pa + 32u] * vb;
            c3 += panel_a[pa + 48u] * vb;
        }
    }
    store_row(group.z, row0 + down, column0 + across, c0);
    store_row(group.z, row0 + down + 16u, column0 + across, c1);
    store_row(group.z, row0 + down + 32u, column0 + across, c2);
    store_row(group.z, row0 + down + 48u, column0 + across, c3);
}

fn store_row(number: u32, row: u32, column: u32, sums: vec4<f32>) {
    if (row >= params.m) { return; }
    let at = start(params.c, number) + row * params.c.row + column;
    if (column < params.n) { finish(at, column, sums.x); }
    if (column + 16u < params.n) { finish(at + 16u, column + 16u, sums.y); }
    if (column + 32u < params.n) { finish(at + 32u, column + 32u, sums.z); }
    if (column + 48u < params.n) { finish(at + 48u, column + 48u, sums.w); }
}
