// matmul, the variant for drivers that run shaders on the processor with subgroups of 8: A^T*B.
//   reads  a [K,M], lane l four columns of row k + l%4, then passed round by subgroupBroadcast   b [K,N]
//   writes c, aux: see EPILOGUE in shared/matmul.wgsl
//   grid   [N / 32, M / 16, batch], workgroup = one subgroup of exactly 8; lane l owns vec4 column 8 x + l, 16 rows
//   All loads stand before the arithmetic: mixed, LLVM spills. No workgroup memory, no barrier.
//   Repeats: src/gpu/repeat.rs.
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
    // Indices are added up: multiplied, they cost up to a twentieth of the rate.
    let last_b = first_b + last * b_row;
    let last_upper = upper + last * a_row;
    let last_lower = lower + last * a_row;
    var at_b = first_b;
    var at_upper = upper + lane % 4u * a_row;
    var at_lower = lower + lane % 4u * a_row;
    // Row 4 q + i of the upper and of the lower eight.
    //# repeat q in 0..2
    //# repeat i in 0..4
    var upper{q}_{i} = vec4<f32>();
    var lower{q}_{i} = vec4<f32>();
    //# end
    //# end
    for (var k = 0u; k < params.k; k += 4u) {
        var b0: vec4<f32>;
        var b1: vec4<f32>;
        var b2: vec4<f32>;
        var b3: vec4<f32>;
        var a_upper: vec4<f32>;
        var a_lower: vec4<f32>;
        if (TAIL == 1u) {
            b0 = item_of_b(at_b);
            b1 = item_of_b(min(at_b + b_row, last_b));
            b2 = item_of_b(min(at_b + 2u * b_row, last_b));
            b3 = item_of_b(min(at_b + 3u * b_row, last_b));
            let beyond = k + lane % 4u > last;
            a_upper = select(item_of_a(min(at_upper, last_upper)), vec4<f32>(), beyond);
            a_lower = select(item_of_a(min(at_lower, last_lower)), vec4<f32>(), beyond);
        } else {
            b0 = item_of_b(at_b);
            b1 = item_of_b(at_b + b_row);
            b2 = item_of_b(at_b + 2u * b_row);
            b3 = item_of_b(at_b + 3u * b_row);
            a_upper = item_of_a(at_upper);
            a_lower = item_of_a(at_lower);
        }
        at_b += 4u * b_row;
        at_upper += 4u * a_row;
        at_lower += 4u * a_row;
        //# repeat q in 0..2
        //# repeat i in 0..4
        upper{q}_{i} = upper{q}_{i} + subgroupBroadcast(a_upper[{i}], 4u * {q}u) * b0 + subgroupBroadcast(a_upper[{i}], 4u * {q}u + 1u) * b1 + subgroupBroadcast(a_upper[{i}], 4u * {q}u + 2u) * b2 + subgroupBroadcast(a_upper[{i}], 4u * {q}u + 3u) * b3;
        //# end
        //# end
        //# repeat q in 0..2
        //# repeat i in 0..4
        lower{q}_{i} = lower{q}_{i} + subgroupBroadcast(a_lower[{i}], 4u * {q}u) * b0 + subgroupBroadcast(a_lower[{i}], 4u * {q}u + 1u) * b1 + subgroupBroadcast(a_lower[{i}], 4u * {q}u + 2u) * b2 + subgroupBroadcast(a_lower[{i}], 4u * {q}u + 3u) * b3;
        //# end
        //# end
    }
    //# repeat q in 0..2
    //# repeat i in 0..4
    store_row(group.z, row0 + 4u * {q}u + {i}u, column, columns, upper{q}_{i});
    store_row(group.z, row0 + 8u + 4u * {q}u + {i}u, column, columns, lower{q}_{i});
    //# end
    //# end
    finish_rows(group.z, row0, column, columns);
}
