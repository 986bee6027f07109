// matmul, the variant for drivers that run shaders on the processor with subgroups of 8: A*B and A*B^T.
//   reads  a [M,K], each lane another row, then passed round by subgroupBroadcast
//          b [K,N] (NN; where K is no multiple of 4 the rest of A's row is zero) or [N,K] (NT)   bias [N]
//   writes c, aux: see EPILOGUE in shared/matmul.wgsl; NT with ragged N fills C's rows up to a multiple of 4
//   grid   [N / 32, M / 16, batch], workgroup = one subgroup of exactly 8; lane l owns vec4 column 8 x + l, 16 rows
//   All loads stand before the arithmetic (mixed, LLVM spills), A's first (after B's, bf16 loses an eighth of its rate in NN).
//   No workgroup memory, no barrier.
//   Repeats: src/gpu/repeat.rs.
//   FIXED_N, FIXED_K: sizes as constants (rows packed), 0 where they come from `params`.
//   order  k ascending by fours      twin  src/cpu/matmul.rs
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = select(params.n, FIXED_N, FIXED_N != 0u);
    let k_items = select((params.k + 3u) / 4u, FIXED_K / 4u, FIXED_K != 0u);
    let a_row = select(params.a.row, FIXED_K / 4u, FIXED_K != 0u);
    let b_row = select(params.b.row, select(FIXED_N, FIXED_K, FORM == NT) / 4u, FIXED_K != 0u);
    let columns = (n + 3u) / 4u;
    let row0 = group.y * 16u;
    let column = group.x * 8u + lane;
    // Rows and columns beyond the edge compute the last one again, and are not stored.
    let inside = min(column, columns - 1u);
    let upper = start(params.a, group.z) + min(row0 + lane, params.m - 1u) * a_row;
    let lower = start(params.a, group.z) + min(row0 + 8u + lane, params.m - 1u) * a_row;
    let first_b = start(params.b, group.z);
    let own0 = first_b + min(inside * 4u, n - 1u) * b_row;
    let own1 = first_b + min(inside * 4u + 1u, n - 1u) * b_row;
    let own2 = first_b + min(inside * 4u + 2u, n - 1u) * b_row;
    let own3 = first_b + min(inside * 4u + 3u, n - 1u) * b_row;
    //# repeat r in 0..8
    var upper{r} = vec4<f32>();
    var lower{r} = vec4<f32>();
    //# end
    for (var k = 0u; k < k_items; k += 1u) {
        let a_upper = item_of_a(upper + k);
        let a_lower = item_of_a(lower + k);
        var b0: vec4<f32>;
        var b1: vec4<f32>;
        var b2: vec4<f32>;
        var b3: vec4<f32>;
        if (FORM == NT) {
            let q0 = item_of_b(own0 + k);
            let q1 = item_of_b(own1 + k);
            let q2 = item_of_b(own2 + k);
            let q3 = item_of_b(own3 + k);
            b0 = vec4(q0.x, q1.x, q2.x, q3.x);
            b1 = vec4(q0.y, q1.y, q2.y, q3.y);
            b2 = vec4(q0.z, q1.z, q2.z, q3.z);
            b3 = vec4(q0.w, q1.w, q2.w, q3.w);
        } else if (TAIL == 1u) {
            let last = params.k - 1u;
            b0 = item_of_b(first_b + min(k * 4u, last) * b_row + inside);
            b1 = item_of_b(first_b + min(k * 4u + 1u, last) * b_row + inside);
            b2 = item_of_b(first_b + min(k * 4u + 2u, last) * b_row + inside);
            b3 = item_of_b(first_b + min(k * 4u + 3u, last) * b_row + inside);
        } else {
            b0 = item_of_b(first_b + (k * 4u) * b_row + inside);
            b1 = item_of_b(first_b + (k * 4u + 1u) * b_row + inside);
            b2 = item_of_b(first_b + (k * 4u + 2u) * b_row + inside);
            b3 = item_of_b(first_b + (k * 4u + 3u) * b_row + inside);
        }
        //# repeat r in 0..8
        upper{r} = upper{r} + subgroupBroadcast(a_upper.x, {r}u) * b0 + subgroupBroadcast(a_upper.y, {r}u) * b1 + subgroupBroadcast(a_upper.z, {r}u) * b2 + subgroupBroadcast(a_upper.w, {r}u) * b3;
        //# end
        //# repeat r in 0..8
        lower{r} = lower{r} + subgroupBroadcast(a_lower.x, {r}u) * b0 + subgroupBroadcast(a_lower.y, {r}u) * b1 + subgroupBroadcast(a_lower.z, {r}u) * b2 + subgroupBroadcast(a_lower.w, {r}u) * b3;
        //# end
    }
    //# repeat r in 0..8
    store_row(group.z, row0 + {r}u, column, columns, upper{r});
    store_row(group.z, row0 + 8u + {r}u, column, columns, lower{r});
    //# end
    finish_rows(group.z, row0, column, columns);
}
