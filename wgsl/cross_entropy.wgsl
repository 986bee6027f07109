// cross_entropy: softmax of each row, its cross-entropy with a target distribution, and the gradient, in one pass.
//   l = log(sum_c exp(z_c - max)) + max      loss = sum_c t_c (l - z_c)      dz_c = (exp(z_c - l) * sum_c t_c - t_c) * scale
//   reads  z [rows, C]   desired [rows / heads, C] (t, the target): rows r * heads ... share its row r
//   writes losses [rows] =   dz [rows, C] =
//   grid   rows / ROWS; ROW_LANES lanes share a row      order  a lane's Items ascending, then a tree
//   twin   src/cpu/cross_entropy.rs
struct Params { rows: u32, items: u32, heads: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<Item>;
@group(0) @binding(2) var<storage, read> desired: array<Item>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> dz: array<Item>;

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
    let first = own * params.items;
    let shared_first = own / params.heads * params.items;
    var highest = -3.0e38;
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) { highest = max(highest, item_max(z[first + i])); }
    highest = row_max(highest, lane);
    var sum = Item();
    var total = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        sum += exp(z[first + i] - highest);
        total += desired[shared_first + i];
    }
    // The sum is 1 or more: the largest logit's own term.
    let all = row_sum(item_sum(sum), lane);
    let weight = row_sum(item_sum(total), lane);
    let logarithm = log(all);
    let inverse = weight / all;
    var loss = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        loss += desired[shared_first + i] * (logarithm - (z[first + i] - highest));
    }
    let row_loss = row_sum(item_sum(loss), lane);
    if (!active_row) { return; }
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        dz[first + i] = (exp(z[first + i] - highest) * inverse - desired[shared_first + i]) * params.scale;
    }
    if (lane % ROW_LANES == 0u) { losses[row] = row_loss; }
}
