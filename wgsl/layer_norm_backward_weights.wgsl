// layer_norm_backward_weights: this chunk of rows' share of dweight and dbias; column_sum adds the shares.
//   dweight = sum_rows dy * (x - mean) * rstd      dbias = sum_rows dy
//   reads  dy, x [rows, C]   stats [rows, 2]       writes  partial [chunks, 2, C] =
//   grid   [C / LANES, chunks]; a lane owns a column Item      order  rows ascending      twin  src/cpu/layer_norm.rs
struct Params { rows: u32, items: u32, rows_per_chunk: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> partial: array<Item>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * LANES + lane;
    if (column >= params.items) { return; }
    let first = group.y * params.rows_per_chunk;
    let stop = min(first + params.rows_per_chunk, params.rows);
    var dweight = Item();
    var dbias = Item();
    for (var row = first; row < stop; row += 1u) {
        let saved = stats[row];
        let g = dy[row * params.items + column];
        dweight += g * ((x[row * params.items + column] - saved.x) * saved.y);
        dbias += g;
    }
    partial[(group.y * 2u) * params.items + column] = dweight;
    partial[(group.y * 2u + 1u) * params.items + column] = dbias;
}
