// attention_backward: from scores and the gradient of the probabilities to probabilities and the gradient of the scores,
// both in place; the products around it are matmul's (src/ops/attention.rs).
//   p = exp(min(scale * s - max, 0)) / sum      ds = scale * p * (dp - sum_j p dp)
//   (s may be rounded otherwise than in the forward pass, and where it is in the millions come out above its own max)
//   reads  stats [all rows, 2] from row `first` on (saved by the forward pass)
//   writes panel [rows, pitch] (s in, p out)   dpanel [rows, pitch] (dp in, ds out); padding becomes 0 in both
//   grid   rows / ROWS; ROW_LANES lanes share a row      order  a lane's Items ascending, then a tree
//   twin   src/cpu/attention.rs
struct Params { rows: u32, items: u32, pitch: u32, first: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> panel: array<Item>;
@group(0) @binding(3) var<storage, read_write> dpanel: array<Item>;

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
    let saved = stats[params.first + own];
    var sum = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        sum += exp(min(panel[start + i] * params.scale - saved.x, Item())) * saved.y * dpanel[start + i];
    }
    let delta = row_sum(item_sum(sum), lane);
    if (!active_row) { return; }
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        let p = exp(min(panel[start + i] * params.scale - saved.x, Item())) * saved.y;
        panel[start + i] = p;
        dpanel[start + i] = params.scale * p * (dpanel[start + i] - delta);
    }
    for (var i = params.items + lane % ROW_LANES; i < params.pitch; i += ROW_LANES) {
        panel[start + i] = Item();
        dpanel[start + i] = Item();
    }
}
