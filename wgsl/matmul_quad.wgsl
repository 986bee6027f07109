// matmul, the variant for drivers that run shaders on the processor with subgroups of 4 (the one in browsers): a workgroup
// is one quad of lanes and makes a 32 x 32 tile of C. A lane loads and stores much at once and passes it round by swaps within
// the quad, which cost little there; barriers, subgroupBroadcast and stores to single components cost much.
//   reads  a, b (FORM says how they lie)   bias [N]      writes  c, aux: see EPILOGUE in shared/matmul.wgsl
//          NT with ragged N fills C's rows up to a multiple of 4
//   grid   [N / 32, M / 32, batch], workgroup = one subgroup of exactly 4; lane l owns rows 4 g + l and vec4 columns l, 4 + l
//   order  k ascending by eights      twin  src/cpu/matmul.rs
const SIDE: u32 = 32u;
const DEPTH: u32 = 8u;

// Eight k of four columns of B.
struct Columns {
    k0: vec4<f32>, k1: vec4<f32>, k2: vec4<f32>, k3: vec4<f32>,
    k4: vec4<f32>, k5: vec4<f32>, k6: vec4<f32>, k7: vec4<f32>,
}
// The same of another lane: its number differs by 1, by 2, by both.
fn by_1(b: Columns) -> Columns {
    return Columns(quadSwapX(b.k0), quadSwapX(b.k1), quadSwapX(b.k2), quadSwapX(b.k3),
        quadSwapX(b.k4), quadSwapX(b.k5), quadSwapX(b.k6), quadSwapX(b.k7));
}
fn by_2(b: Columns) -> Columns {
    return Columns(quadSwapY(b.k0), quadSwapY(b.k1), quadSwapY(b.k2), quadSwapY(b.k3),
        quadSwapY(b.k4), quadSwapY(b.k5), quadSwapY(b.k6), quadSwapY(b.k7));
}
fn by_3(b: Columns) -> Columns {
    return Columns(quadSwapDiagonal(b.k0), quadSwapDiagonal(b.k1), quadSwapDiagonal(b.k2), quadSwapDiagonal(b.k3),
        quadSwapDiagonal(b.k4), quadSwapDiagonal(b.k5), quadSwapDiagonal(b.k6), quadSwapDiagonal(b.k7));
}

// sum + b * a over eight k: one chain for each component, which this driver turns into the best code.
fn chain(c: vec4<f32>, b: Columns, a: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return vec4(
        c.x + b.k0.x * a.x + b.k1.x * a.y + b.k2.x * a.z + b.k3.x * a.w + b.k4.x * d.x + b.k5.x * d.y + b.k6.x * d.z + b.k7.x * d.w,
        c.y + b.k0.y * a.x + b.k1.y * a.y + b.k2.y * a.z + b.k3.y * a.w + b.k4.y * d.x + b.k5.y * d.y + b.k6.y * d.z + b.k7.y * d.w,
        c.z + b.k0.z * a.x + b.k1.z * a.y + b.k2.z * a.z + b.k3.z * a.w + b.k4.z * d.x + b.k5.z * d.y + b.k6.z * d.z + b.k7.z * d.w,
        c.w + b.k0.w * a.x + b.k1.w * a.y + b.k2.w * a.z + b.k3.w * a.w + b.k4.w * d.x + b.k5.w * d.y + b.k6.w * d.z + b.k7.w * d.w);
}

// One row of this lane: `left` and `right` are its vec4 columns l ^ i and 4 + (l ^ i).
struct Row {
    left0: vec4<f32>, left1: vec4<f32>, left2: vec4<f32>, left3: vec4<f32>,
    right0: vec4<f32>, right1: vec4<f32>, right2: vec4<f32>, right3: vec4<f32>,
}
// The tile's 32 columns of B as this lane sees them: its own vec4 column of each half, and those of the other lanes.
struct Panel {
    left0: Columns, left1: Columns, left2: Columns, left3: Columns,
    right0: Columns, right1: Columns, right2: Columns, right3: Columns,
}
fn add(c: Row, b: Panel, a: vec4<f32>, d: vec4<f32>) -> Row {
    return Row(
        chain(c.left0, b.left0, a, d), chain(c.left1, b.left1, a, d), chain(c.left2, b.left2, a, d), chain(c.left3, b.left3, a, d),
        chain(c.right0, b.right0, a, d), chain(c.right1, b.right1, a, d), chain(c.right2, b.right2, a, d), chain(c.right3, b.right3, a, d));
}

// B at k .. k + 8 and one vec4 column; 0 beyond its end.
fn columns_of_b(first: u32, k: u32, column: u32) -> Columns {
    let last = params.k - 1u;
    let row = params.b.row;
    if (FORM == NT) {
        let n = column * 4u;
        let end = params.n - 1u;
        let k_item = k / 4u;
        let next = min(k_item + 1u, last / 4u); // K is a multiple of 4
        let r0 = first + min(n, end) * row;
        let r1 = first + min(n + 1u, end) * row;
        let r2 = first + min(n + 2u, end) * row;
        let r3 = first + min(n + 3u, end) * row;
        let p0 = item_of_b(r0 + k_item);
        let p1 = item_of_b(r1 + k_item);
        let p2 = item_of_b(r2 + k_item);
        let p3 = item_of_b(r3 + k_item);
        let there = f32(k_item + 1u == next);
        let q0 = item_of_b(r0 + next) * there;
        let q1 = item_of_b(r1 + next) * there;
        let q2 = item_of_b(r2 + next) * there;
        let q3 = item_of_b(r3 + next) * there;
        return Columns(
            vec4(p0.x, p1.x, p2.x, p3.x), vec4(p0.y, p1.y, p2.y, p3.y), vec4(p0.z, p1.z, p2.z, p3.z), vec4(p0.w, p1.w, p2.w, p3.w),
            vec4(q0.x, q1.x, q2.x, q3.x), vec4(q0.y, q1.y, q2.y, q3.y), vec4(q0.z, q1.z, q2.z, q3.z), vec4(q0.w, q1.w, q2.w, q3.w));
    }
    let at = first + column;
    return Columns(
        item_of_b(at + k * row),
        item_of_b(at + min(k + 1u, last) * row) * f32(k + 1u <= last),
        item_of_b(at + min(k + 2u, last) * row) * f32(k + 2u <= last),
        item_of_b(at + min(k + 3u, last) * row) * f32(k + 3u <= last),
        item_of_b(at + min(k + 4u, last) * row) * f32(k + 4u <= last),
        item_of_b(at + min(k + 5u, last) * row) * f32(k + 5u <= last),
        item_of_b(at + min(k + 6u, last) * row) * f32(k + 6u <= last),
        item_of_b(at + min(k + 7u, last) * row) * f32(k + 7u <= last));
}

fn panel_of_b(first: u32, k: u32, left: u32, right: u32) -> Panel {
    let own_left = columns_of_b(first, k, left);
    let own_right = columns_of_b(first, k, right);
    return Panel(own_left, by_1(own_left), by_2(own_left), by_3(own_left),
        own_right, by_1(own_right), by_2(own_right), by_3(own_right));
}

// A of one row at k .. k + 4. What lies beyond K is multiplied by B's zeros.
fn four_of_a(first: u32, row: u32, k: u32) -> vec4<f32> {
    let last = params.k - 1u;
    if (FORM == TN) {
        let at = first + row / 4u;
        let part = row % 4u;
        return vec4(
            item_of_a(at + min(k, last) * params.a.row)[part],
            item_of_a(at + min(k + 1u, last) * params.a.row)[part],
            item_of_a(at + min(k + 2u, last) * params.a.row)[part],
            item_of_a(at + min(k + 3u, last) * params.a.row)[part]);
    }
    return item_of_a(first + row * params.a.row + min(k, last) / 4u);
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_a = start(params.a, group.z);
    let first_b = start(params.b, group.z);
    let columns = (params.n + 3u) / 4u;
    let left = group.x * 8u + lane;
    // Rows and columns beyond the edge compute the last one again, and are not stored.
    let own_left = min(left, columns - 1u);
    let own_right = min(left + 4u, columns - 1u);
    let row = group.y * SIDE + lane;
    let end = params.m - 1u;
    var c0 = Row();
    var c1 = Row();
    var c2 = Row();
    var c3 = Row();
    var c4 = Row();
    var c5 = Row();
    var c6 = Row();
    var c7 = Row();
    for (var k = 0u; k < params.k; k += DEPTH) {
        let b = panel_of_b(first_b, k, own_left, own_right);
        c0 = add(c0, b, four_of_a(first_a, min(row, end), k), four_of_a(first_a, min(row, end), k + 4u));
        c1 = add(c1, b, four_of_a(first_a, min(row + 4u, end), k), four_of_a(first_a, min(row + 4u, end), k + 4u));
        c2 = add(c2, b, four_of_a(first_a, min(row + 8u, end), k), four_of_a(first_a, min(row + 8u, end), k + 4u));
        c3 = add(c3, b, four_of_a(first_a, min(row + 12u, end), k), four_of_a(first_a, min(row + 12u, end), k + 4u));
        c4 = add(c4, b, four_of_a(first_a, min(row + 16u, end), k), four_of_a(first_a, min(row + 16u, end), k + 4u));
        c5 = add(c5, b, four_of_a(first_a, min(row + 20u, end), k), four_of_a(first_a, min(row + 20u, end), k + 4u));
        c6 = add(c6, b, four_of_a(first_a, min(row + 24u, end), k), four_of_a(first_a, min(row + 24u, end), k + 4u));
        c7 = add(c7, b, four_of_a(first_a, min(row + 28u, end), k), four_of_a(first_a, min(row + 28u, end), k + 4u));
    }
    // Rows are stored in a loop: what follows a sum (the epilogue) is compiled eight times, not sixty-four.
    var rows = array<Row, 8>(c0, c1, c2, c3, c4, c5, c6, c7);
    for (var i = 0u; i < 8u && row + 4u * i < params.m; i += 1u) {
        store_row(group, row + 4u * i, lane, columns, rows[i]);
    }
}

fn store_row(group: vec3<u32>, row: u32, lane: u32, columns: u32, sums: Row) {
    let at = start(params.c, group.z) + row * params.c.row;
    let left = group.x * 8u;
    store(at, left + lane, columns, sums.left0);
    store(at, left + (lane ^ 1u), columns, sums.left1);
    store(at, left + (lane ^ 2u), columns, sums.left2);
    store(at, left + (lane ^ 3u), columns, sums.left3);
    store(at, left + 4u + lane, columns, sums.right0);
    store(at, left + 4u + (lane ^ 1u), columns, sums.right1);
    store(at, left + 4u + (lane ^ 2u), columns, sums.right2);
    store(at, left + 4u + (lane ^ 3u), columns, sums.right3);
}

fn store(at: u32, column: u32, columns: u32, sum: vec4<f32>) {
    if (column < columns) { finish(at + column, column, sum); }
}
