// layer_norm_backward: the gradient of each row of x.
//   g = dy * weight   xhat = (x - mean) * rstd   dx = rstd * (g - mean_c(g) - xhat * mean_c(g * xhat))
//   reads  dy, x [rows, C]   weight [C]   stats [rows, 2] (saved by layer_norm.wgsl)
//   writes dx [rows, C] += where ADD is 1 (the residual stream's gradient is there already), else =
//   grid   rows / ROWS; ROW_LANES lanes share a row      order  a lane's Items ascending, then a tree
//   twin   src/cpu/layer_norm.rs
struct Params { rows: u32, items: u32, eps: f32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> weight: array<Item>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<Item>;

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
    let saved = stats[own];
    var sum_g = Item();
    var sum_gx = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        let g = dy[first + i] * weight[i];
        sum_g += g;
        sum_gx += g * ((x[first + i] - saved.x) * saved.y);
    }
    let mean_g = row_sum(item_sum(sum_g), lane) * params.inverse;
    let mean_gx = row_sum(item_sum(sum_gx), lane) * params.inverse;
    if (!active_row) { return; }
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        let g = dy[first + i] * weight[i];
        let xhat = (x[first + i] - saved.x) * saved.y;
        var value = saved.y * (g - mean_g - xhat * mean_gx);
        if (ADD == 1u) { value += dx[first + i]; }
        dx[first + i] = value;
    }
}
