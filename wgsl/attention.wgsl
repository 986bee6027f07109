// attention: softmax of a panel of scores, in place; the two products around it are matmul's (src/ops/attention.rs).
//   p = exp(scale * s - max) / sum      stats = (max, 1 / sum), with which the backward pass makes the same p again
//   writes panel [rows, pitch] (scores in, probabilities out; columns from the number of tokens, `items`, on become 0)
//          stats [all rows, 2] = from row `first` on
//   grid   rows / ROWS; ROW_LANES lanes share a row      order  a lane's Items ascending, then a tree
//   twin   src/cpu/attention.rs
struct Params { rows: u32, items: u32, pitch: u32, first: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> panel: array<Item>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.x + group.y * groups.x) * ROWS + lane / ROW_LANES;
    // Lanes beyond the last row compute it again, so that all reach the barriers, and store nothing.
    let active_row = row < params.rows;
    let own = min(row, params.rows - 1u);
    let start = own * params.pitch;
    var highest = -3.0e38;
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        highest = max(highest, item_max(panel[start + i] * params.scale));
    }
    highest = row_max(highest, lane);
    var sum = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        sum += exp(panel[start + i] * params.scale - highest);
    }
    let inverse = 1.0 / row_sum(item_sum(sum), lane);
    if (!active_row) { return; }
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        panel[start + i] = exp(panel[start + i] * params.scale - highest) * inverse;
    }
    for (var i = params.items + lane % ROW_LANES; i < params.pitch; i += ROW_LANES) { panel[start + i] = Item(); }
    if (lane % ROW_LANES == 0u) { stats[params.first + row] = vec2(highest, inverse); }
}
