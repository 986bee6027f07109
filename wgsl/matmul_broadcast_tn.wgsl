// matmul, the variant for drivers that run shaders on the processor with subgroups of 8: A^T*B.
//   reads  a [K,M], lane l four columns of row k + l%4, then passed round by subgroupBroadcast   b [K,N]
//   writes c, aux: see EPILOGUE in shared/matmul.wgsl
//   grid   [N / 32, M / 16, batch], workgroup = one subgroup of exactly 8; lane l owns vec4 column 8 x + l, 16 rows
//   All loads stand before the arithmetic: mixed, LLVM spills. No workgroup memory, no barrier.
//   FIXED_M, FIXED_N: sizes as constants (rows packed), 0 where they come from `params`. TAIL: K is no multiple of 4.
//   order  k ascending by fours      twin  src/cpu/matmul.rs
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = select(params.n, FIXED_N, FIXED_N != 0u);
    let m = select(params.m, FIXED_M, FIXED_M != 0u);
    let a_row = select(params.a.row, FIXED_M / 4u, FIXED_M != 0u);
    let b_row = select(params.b.row, FIXED_N / 4u, FIXED_N != 0u);
    let columns = (n + 3u) / 4u;
    let row0 = group.y * 16u;
    let column = group.x * 8u + lane;
    // Rows and columns beyond the edge compute the last ones again, and are not stored.
    let inside = min(column, columns - 1u);
    let last_item = (m + 3u) / 4u - 1u;
    let upper = start(params.a, group.z) + min(row0 / 4u + lane / 4u, last_item);
    let lower = start(params.a, group.z) + min(row0 / 4u + 2u + lane / 4u, last_item);
    let first_b = start(params.b, group.z) + inside;
    let last = params.k - 1u;
    var c0 = vec4<f32>();
    var c1 = vec4<f32>();
    var c2 = vec4<f32>();
    var c3 = vec4<f32>();
    var c4 = vec4<f32>();
    var c5 = vec4<f32>();
    var c6 = vec4<f32>();
    var c7 = vec4<f32>();
    var c8 = vec4<f32>();
    var c9 = vec4<f32>();
    var c10 = vec4<f32>();
    var c11 = vec4<f32>();
    var c12 = vec4<f32>();
    var c13 = vec4<f32>();
    var c14 = vec4<f32>();
    var c15 = vec4<f32>();
    for (var k = 0u; k < params.k; k += 4u) {
        var b0: vec4<f32>;
        var b1: vec4<f32>;
        var b2: vec4<f32>;
        var b3: vec4<f32>;
        var a_upper: vec4<f32>;
        var a_lower: vec4<f32>;
        let own = k + lane % 4u;
        if (TAIL == 1u) {
            b0 = item_of_b(first_b + k * b_row);
            b1 = item_of_b(first_b + min(k + 1u, last) * b_row);
            b2 = item_of_b(first_b + min(k + 2u, last) * b_row);
            b3 = item_of_b(first_b + min(k + 3u, last) * b_row);
            a_upper = select(vec4<f32>(), item_of_a(upper + min(own, last) * a_row), own <= last);
            a_lower = select(vec4<f32>(), item_of_a(lower + min(own, last) * a_row), own <= last);
        } else {
            b0 = item_of_b(first_b + k * b_row);
            b1 = item_of_b(first_b + (k + 1u) * b_row);
            b2 = item_of_b(first_b + (k + 2u) * b_row);
            b3 = item_of_b(first_b + (k + 3u) * b_row);
            a_upper = item_of_a(upper + own * a_row);
            a_lower = item_of_a(lower + own * a_row);
        }
        c0 = c0 + subgroupBroadcast(a_upper.x, 0u) * b0 + subgroupBroadcast(a_upper.x, 1u) * b1 + subgroupBroadcast(a_upper.x, 2u) * b2 + subgroupBroadcast(a_upper.x, 3u) * b3;
        c1 = c1 + subgroupBroadcast(a_upper.y, 0u) * b0 + subgroupBroadcast(a_upper.y, 1u) * b1 + subgroupBroadcast(a_upper.y, 2u) * b2 + subgroupBroadcast(a_upper.y, 3u) * b3;
        c2 = c2 + subgroupBroadcast(a_upper.z, 0u) * b0 + subgroupBroadcast(a_upper.z, 1u) * b1 + subgroupBroadcast(a_upper.z, 2u) * b2 + subgroupBroadcast(a_upper.z, 3u) * b3;
        c3 = c3 + subgroupBroadcast(a_upper.w, 0u) * b0 + subgroupBroadcast(a_upper.w, 1u) * b1 + subgroupBroadcast(a_upper.w, 2u) * b2 + subgroupBroadcast(a_upper.w, 3u) * b3;
        c4 = c4 + subgroupBroadcast(a_upper.x, 4u) * b0 + subgroupBroadcast(a_upper.x, 5u) * b1 + subgroupBroadcast(a_upper.x, 6u) * b2 + subgroupBroadcast(a_upper.x, 7u) * b3;
        c5 = c5 + subgroupBroadcast(a_upper.y, 4u) * b0 + subgroupBroadcast(a_upper.y, 5u) * b1 + subgroupBroadcast(a_upper.y, 6u) * b2 + subgroupBroadcast(a_upper.y, 7u) * b3;
        c6 = c6 + subgroupBroadcast(a_upper.z, 4u) * b0 + subgroupBroadcast(a_upper.z, 5u) * b1 + subgroupBroadcast(a_upper.z, 6u) * b2 + subgroupBroadcast(a_upper.z, 7u) * b3;
        c7 = c7 + subgroupBroadcast(a_upper.w, 4u) * b0 + subgroupBroadcast(a_upper.w, 5u) * b1 + subgroupBroadcast(a_upper.w, 6u) * b2 + subgroupBroadcast(a_upper.w, 7u) * b3;
        c8 = c8 + subgroupBroadcast(a_lower.x, 0u) * b0 + subgroupBroadcast(a_lower.x, 1u) * b1 + subgroupBroadcast(a_lower.x, 2u) * b2 + subgroupBroadcast(a_lower.x, 3u) * b3;
        c9 = c9 + subgroupBroadcast(a_lower.y, 0u) * b0 + subgroupBroadcast(a_lower.y, 1u) * b1 + subgroupBroadcast(a_lower.y, 2u) * b2 + subgroupBroadcast(a_lower.y, 3u) * b3;
        c10 = c10 + subgroupBroadcast(a_lower.z, 0u) * b0 + subgroupBroadcast(a_lower.z, 1u) * b1 + subgroupBroadcast(a_lower.z, 2u) * b2 + subgroupBroadcast(a_lower.z, 3u) * b3;
        c11 = c11 + subgroupBroadcast(a_lower.w, 0u) * b0 + subgroupBroadcast(a_lower.w, 1u) * b1 + subgroupBroadcast(a_lower.w, 2u) * b2 + subgroupBroadcast(a_lower.w, 3u) * b3;
        c12 = c12 + subgroupBroadcast(a_lower.x, 4u) * b0 + subgroupBroadcast(a_lower.x, 5u) * b1 + subgroupBroadcast(a_lower.x, 6u) * b2 + subgroupBroadcast(a_lower.x, 7u) * b3;
        c13 = c13 + subgroupBroadcast(a_lower.y, 4u) * b0 + subgroupBroadcast(a_lower.y, 5u) * b1 + subgroupBroadcast(a_lower.y, 6u) * b2 + subgroupBroadcast(a_lower.y, 7u) * b3;
        c14 = c14 + subgroupBroadcast(a_lower.z, 4u) * b0 + subgroupBroadcast(a_lower.z, 5u) * b1 + subgroupBroadcast(a_lower.z, 6u) * b2 + subgroupBroadcast(a_lower.z, 7u) * b3;
        c15 = c15 + subgroupBroadcast(a_lower.w, 4u) * b0 + subgroupBroadcast(a_lower.w, 5u) * b1 + subgroupBroadcast(a_lower.w, 6u) * b2 + subgroupBroadcast(a_lower.w, 7u) * b3;
    }
    store_row(group.z, row0 + 0u, column, columns, c0);
    store_row(group.z, row0 + 1u, column, columns, c1);
    store_row(group.z, row0 + 2u, column, columns, c2);
    store_row(group.z, row0 + 3u, column, columns, c3);
    store_row(group.z, row0 + 4u, column, columns, c4);
    store_row(group.z, row0 + 5u, column, columns, c5);
    store_row(group.z, row0 + 6u, column, columns, c6);
    store_row(group.z, row0 + 7u, column, columns, c7);
    store_row(group.z, row0 + 8u, column, columns, c8);
    store_row(group.z, row0 + 9u, column, columns, c9);
    store_row(group.z, row0 + 10u, column, columns, c10);
    store_row(group.z, row0 + 11u, column, columns, c11);
    store_row(group.z, row0 + 12u, column, columns, c12);
    store_row(group.z, row0 + 13u, column, columns, c13);
    store_row(group.z, row0 + 14u, column, columns, c14);
    store_row(group.z, row0 + 15u, column, columns, c15);
}

fn store_row(number: u32, row: u32, column: u32, columns: u32, sum: vec4<f32>) {
    if (row < params.m && column < columns) {
        finish(start(params.c, number) + row * params.c.row + column, column, sum);
    }
}
