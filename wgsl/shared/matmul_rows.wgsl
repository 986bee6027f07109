// How matmul_broadcast and matmul_broadcast_tn store a tile: 16 rows from row0, of which a lane has one vec4 column.
fn store_row(number: u32, row: u32, column: u32, columns: u32, sum: vec4<f32>) {
    if (row >= params.m || column >= columns) { return; }
    let at = start(params.c, number) + row * params.c.row + column;
    if (LATE == 1u) { c[at] = sum; } else { finish(at, column, sum); }
}

// Where LATE is 1, what is left to do is done to sums that are stored, row by row: beside all of them in registers, LLVM spills some
// in the loop over k, which costs an eighth of the rate; reading them again costs more where K is short.
fn finish_rows(number: u32, row0: u32, column: u32, columns: u32) {
    if (LATE == 0u || column >= columns) { return; }
    let first = start(params.c, number) + column;
    for (var row = row0; row < min(row0 + 16u, params.m); row += 1u) {
        let at = first + row * params.c.row;
        finish(at, column, c[at]);
    }
}
