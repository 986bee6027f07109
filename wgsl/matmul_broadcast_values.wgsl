// matmul, the variant for drivers that run shaders on the processor with subgroups of 8, for batches whose lengths or places are no
// multiples of four (heads of 50 channels): the tile of matmul_broadcast, its values read one by one, which takes a third longer.
//   reads  a [M,K] or [K,M], each lane four values of K of another row of A, then passed round by subgroupBroadcast
//          b [K,N] or [N,K]
//   writes c, plain
//   grid   [N / 32, M / 16, batch], workgroup = one subgroup of exactly 8; lane l owns four columns from 4 (8 x + l) on, 16 rows
//   Beyond the edges the last row, column or value of K is read again: what is beyond K is multiplied by 0, the rest not stored.
//   All loads stand before the arithmetic: mixed, LLVM spills. No workgroup memory, no barrier. Repeats: src/gpu/repeat.rs.
//   order  k ascending by fours      twin  src/cpu/matmul.rs
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * 16u;
    let column = (group.x * 8u + lane) * 4u;
    // From row to row and from column to column of the product's factors, as they are multiplied.
    let a_row = select(params.a.row, 1u, FORM == TN);
    let a_step = select(1u, params.a.row, FORM == TN);
    let b_step = select(params.b.row, 1u, FORM == NT);
    let b_column = select(1u, params.b.row, FORM == NT);
    let upper = start(params.a, group.z) + min(row0 + lane, params.m - 1u) * a_row;
    let lower = start(params.a, group.z) + min(row0 + 8u + lane, params.m - 1u) * a_row;
    let first_b = start(params.b, group.z);
    //# repeat i in 0..4
    let own{i} = first_b + min(column + {i}u, params.n - 1u) * b_column;
    //# end
    //# repeat r in 0..8
    var upper{r} = vec4<f32>();
    var lower{r} = vec4<f32>();
    //# end
    for (var k = 0u; k < params.k; k += 4u) {
        //# repeat i in 0..4
        let k{i} = min(k + {i}u, params.k - 1u);
        let is{i} = k + {i}u < params.k;
        let a_upper{i} = select(0.0, item_of_a(upper + k{i} * a_step), is{i});
        let a_lower{i} = select(0.0, item_of_a(lower + k{i} * a_step), is{i});
        //# end
        //# repeat i in 0..4
        let b{i} = vec4(item_of_b(own0 + k{i} * b_step), item_of_b(own1 + k{i} * b_step), item_of_b(own2 + k{i} * b_step), item_of_b(own3 + k{i} * b_step));
        //# end
        //# repeat r in 0..8
        upper{r} = upper{r} + subgroupBroadcast(a_upper0, {r}u) * b0 + subgroupBroadcast(a_upper1, {r}u) * b1 + subgroupBroadcast(a_upper2, {r}u) * b2 + subgroupBroadcast(a_upper3, {r}u) * b3;
        //# end
        //# repeat r in 0..8
        lower{r} = lower{r} + subgroupBroadcast(a_lower0, {r}u) * b0 + subgroupBroadcast(a_lower1, {r}u) * b1 + subgroupBroadcast(a_lower2, {r}u) * b2 + subgroupBroadcast(a_lower3, {r}u) * b3;
        //# end
    }
    //# repeat r in 0..8
    store_four(group.z, row0 + {r}u, column, upper{r});
    store_four(group.z, row0 + 8u + {r}u, column, lower{r});
    //# end
}

fn store_four(number: u32, row: u32, column: u32, sum: vec4<f32>) {
    if (row >= params.m) { return; }
    let at = start(params.c, number) + row * params.c.row + column;
    //# repeat i in 0..4
    if (column + {i}u < params.n) { finish(at + {i}u, column + {i}u, sum[{i}]); }
    //# end
}
