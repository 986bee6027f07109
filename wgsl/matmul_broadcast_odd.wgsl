// matmul, the variant for drivers that run shaders on the processor with subgroups of 8, where widths are no multiples of four: the
// tile of matmul_broadcast. Rows then begin in the middle of an item, of four values that are read at once. Where in it is known when
// the pipeline is made, since tiles begin at multiples of 16 and 32 and steps along K are of four: row i of four begins at
// i * width % 4. So values are picked from an item and the next one by constants. Packed matrices alone.
//   reads  a [M,K] or [K,M], passed round by subgroupBroadcast: a lane has items of another row (NN, NT), or number l and l + 8 of the
//          items that four rows of K begin with in these 16 columns, and one of the at most six values behind them (TN)
//          b [K,N] or [N,K]   bias [N]
//   writes c, aux: see EPILOGUE in shared/matmul.wgsl
//   grid   [N / 32, M / 16, 1], workgroup = one subgroup of exactly 8; lane l owns four columns from 4 (8 x + l) on, 16 rows
//   FIXED_M (TN), FIXED_N, FIXED_K (NN, NT): widths. Trip counts come from `params`: of a known one, drivers turn the loop over, and
//   keep each sum twice.
//   What K has beyond a multiple of four is read value by value. No index goes beyond the last item; columns beyond N aren't stored.
//   All loads stand before the arithmetic: mixed, LLVM spills. No workgroup memory, no barrier. Repeats: src/gpu/repeat.rs.
//   What follows a sum is done to sums that are stored, row by row: beside 64 in registers it takes seconds to compile.
//   order  k ascending by fours      twin  src/cpu/matmul.rs
const K_TURN: u32 = FIXED_K % 4u; // row i begins at i times this, modulo 4
const M_TURN: u32 = FIXED_M % 4u;
const N_TURN: u32 = FIXED_N % 4u;

// Values `at` and, for four, those behind it, of an item and the next; `at` is a constant.
fn pick(item: vec4<f32>, next: vec4<f32>, at: u32) -> f32 {
    if (at < 4u) { return item[at]; }
    return next[at - 4u];
}
fn four(item: vec4<f32>, next: vec4<f32>, at: u32) -> vec4<f32> {
    return vec4(pick(item, next, at), pick(item, next, at + 1u), pick(item, next, at + 2u), pick(item, next, at + 3u));
}
// For TN, value `place` of row i of four, from where its first item begins: rows 0 and 1 are in a0, 2 and 3 in a1.
fn of_row(a0: vec4<f32>, a1: vec4<f32>, behind: f32, i: u32, place: u32) -> f32 {
    if (place >= 16u) { return behind; }
    if (i < 2u) { return a0[place % 4u]; }
    return a1[place % 4u];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * 16u;
    let column = (group.x * 8u + lane) * 4u;
    let m = params.m;
    let last_a = (m * params.k - 1u) / 4u;
    let last_b = (params.k * FIXED_N - 1u) / 4u;
    // Rows and columns beyond the edge compute the last ones again, and are not stored. First values of the lane's rows of A (NN, NT):
    let upper_row = min(row0 + lane, m - 1u) * FIXED_K;
    let lower_row = min(row0 + 8u + lane, m - 1u) * FIXED_K;
    var upper: vec4<f32>;
    var lower: vec4<f32>;
    if (K_TURN != 0u) {
        upper = item_of_a(upper_row / 4u);
        lower = item_of_a(lower_row / 4u);
    }
    // And of A's rows of tokens (TN):
    var at_a0 = (lane / 4u * FIXED_M + row0) / 4u + lane % 4u;
    var at_a1 = ((2u + lane / 4u) * FIXED_M + row0) / 4u + lane % 4u;
    // Lanes below M_TURN have a value of row 1, those up to `row3` one of row 2, the others one of row 3.
    let row3 = M_TURN + 2u * M_TURN % 4u;
    let behind_row = 1u + u32(lane >= M_TURN) + u32(lane >= row3);
    let behind_place = lane - select(select(0u, M_TURN, lane >= M_TURN), row3, lane >= row3);
    var at_behind = (behind_row * FIXED_M + row0) / 4u * 4u + 16u + behind_place;
    // Rows of B that are columns of C (NT), and items of four rows of B (NN, TN).
    let inside = min(column, (FIXED_N - 1u) / 4u * 4u);
    //# repeat i in 0..4
    let row_b{i} = min(column + {i}u, FIXED_N - 1u) * FIXED_K;
    var item_b{i}: vec4<f32>;
    if (FORM == NT && {i}u * K_TURN % 4u != 0u) { item_b{i} = item_of_b(row_b{i} / 4u); }
    var at_b{i} = ({i}u * FIXED_N + inside) / 4u;
    //# end
    //# repeat r in 0..8
    var upper{r} = vec4<f32>();
    var lower{r} = vec4<f32>();
    //# end
    let fours = params.k / 4u;
    for (var k = 0u; k < fours; k += 1u) {
        //# repeat i in 0..4
        var b{i}: vec4<f32>;
        //# end
        if (FORM == NT) {
            //# repeat i in 0..4
            var q{i}: vec4<f32>;
            if ({i}u * K_TURN % 4u == 0u) {
                q{i} = item_of_b(row_b{i} / 4u + k);
            } else {
                let next = item_of_b(min(row_b{i} / 4u + k + 1u, last_b));
                q{i} = four(item_b{i}, next, {i}u * K_TURN % 4u);
                item_b{i} = next;
            }
            //# end
            b0 = vec4(q0.x, q1.x, q2.x, q3.x);
            b1 = vec4(q0.y, q1.y, q2.y, q3.y);
            b2 = vec4(q0.z, q1.z, q2.z, q3.z);
            b3 = vec4(q0.w, q1.w, q2.w, q3.w);
        } else {
            //# repeat i in 0..4
            b{i} = four(item_of_b(at_b{i}), item_of_b(min(at_b{i} + 1u, last_b)), {i}u * N_TURN % 4u);
            at_b{i} += FIXED_N;
            //# end
        }
        if (FORM == TN) {
            let a0 = item_of_a(min(at_a0, last_a));
            let a1 = item_of_a(min(at_a1, last_a));
            let behind = value_of_a(min(at_behind, m * params.k - 1u));
            at_a0 += FIXED_M;
            at_a1 += FIXED_M;
            at_behind += 4u * FIXED_M;
            //# repeat r in 0..8
            {
                //# repeat i in 0..4
                const first_behind{i} = {i}u / 2u * M_TURN + {i}u / 3u * (2u * M_TURN % 4u);
                const place{i} = {i}u * M_TURN % 4u + {r}u;
                const lower_place{i} = place{i} + 8u;
                const lower_lane{i} = select((4u * {i}u + lower_place{i} / 4u) % 8u, first_behind{i} + lower_place{i} % 16u, lower_place{i} >= 16u);
                let x{i} = subgroupBroadcast(of_row(a0, a1, behind, {i}u, place{i}), (4u * {i}u + place{i} / 4u) % 8u);
                let y{i} = subgroupBroadcast(of_row(a0, a1, behind, {i}u, lower_place{i}), lower_lane{i});
                //# end
                upper{r} = upper{r} + x0 * b0 + x1 * b1 + x2 * b2 + x3 * b3;
                lower{r} = lower{r} + y0 * b0 + y1 * b1 + y2 * b2 + y3 * b3;
            }
            //# end
        } else {
            var next_upper: vec4<f32>;
            var next_lower: vec4<f32>;
            if (K_TURN == 0u) {
                upper = item_of_a(upper_row / 4u + k);
                lower = item_of_a(lower_row / 4u + k);
            } else {
                next_upper = item_of_a(min(upper_row / 4u + k + 1u, last_a));
                next_lower = item_of_a(min(lower_row / 4u + k + 1u, last_a));
            }
            //# repeat r in 0..8
            {
                //# repeat i in 0..4
                let x{i} = subgroupBroadcast(pick(upper, next_upper, {r}u * K_TURN % 4u + {i}u), {r}u);
                let y{i} = subgroupBroadcast(pick(lower, next_lower, {r}u * K_TURN % 4u + {i}u), {r}u);
                //# end
                upper{r} = upper{r} + x0 * b0 + x1 * b1 + x2 * b2 + x3 * b3;
                lower{r} = lower{r} + y0 * b0 + y1 * b1 + y2 * b2 + y3 * b3;
            }
            //# end
            if (K_TURN != 0u) {
                upper = next_upper;
                lower = next_lower;
            }
        }
    }
    for (var k = 4u * fours; k < params.k; k += 1u) {
        let own = select(vec2(upper_row + k, lower_row + k), k * m + min(vec2(row0, row0 + 8u) + lane, vec2(m - 1u)), FORM == TN);
        let a_upper = value_of_a(own.x);
        let a_lower = value_of_a(own.y);
        //# repeat i in 0..4
        let b{i} = value_of_b(select(k * FIXED_N + min(column + {i}u, FIXED_N - 1u), row_b{i} + k, FORM == NT));
        //# end
        let b = vec4(b0, b1, b2, b3);
        //# repeat r in 0..8
        upper{r} = upper{r} + subgroupBroadcast(a_upper, {r}u) * b;
        lower{r} = lower{r} + subgroupBroadcast(a_lower, {r}u) * b;
        //# end
    }
    //# repeat r in 0..8
    store_four(row0 + {r}u, column, upper{r});
    store_four(row0 + 8u + {r}u, column, lower{r});
    //# end
    if (!late()) { return; }
    for (var row = row0; row < min(row0 + 16u, m); row += 1u) {
        for (var i = column; i < min(column + 4u, FIXED_N); i += 1u) {
            finish(row * FIXED_N + i, i, c[row * FIXED_N + i]);
        }
    }
}

// Sums alone, and what is added to C, go straight there.
fn late() -> bool { return EPILOGUE != PLAIN && EPILOGUE != ACCUMULATE; }

fn store_four(row: u32, column: u32, sum: vec4<f32>) {
    if (row >= params.m) { return; }
    let at = row * FIXED_N + column;
    //# repeat i in 0..4
    if (column + {i}u < FIXED_N) {
        if (late()) { c[at + {i}u] = sum[{i}]; } else { finish(at + {i}u, column + {i}u, sum[{i}]); }
    }
    //# end
}
