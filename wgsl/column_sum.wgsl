// column_sum: the sum of each column over a chunk of rows; a second dispatch over the chunks finishes it.
//   reads  x [rows, stride], the columns from `offset` on      writes  y [chunks, C] = , where ADD is 1 +=
//   grid   [C / LANES, chunks]; a lane owns a column Item      order  rows ascending      twin  src/cpu/column_sum.rs
struct Params { rows: u32, items: u32, rows_per_chunk: u32, stride: u32, offset: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * LANES + lane;
    if (column >= params.items) { return; }
    let first = group.y * params.rows_per_chunk;
    let stop = min(first + params.rows_per_chunk, params.rows);
    var sum = Item();
    var at = params.offset + first * params.stride + column;
    for (var row = first; row < stop; row += 1u) {
        sum += x[at];
        at += params.stride;
    }
    if (ADD == 1u) { sum += y[group.y * params.items + column]; }
    y[group.y * params.items + column] = sum;
}
