// layer_norm: each row to mean 0 and deviation 1 over its features, then scaled and shifted where AFFINE is 1.
//   y = (x - mean) * rstd * weight + bias      rstd = 1 / sqrt(mean((x - mean)^2) + eps), variance in two passes
//   reads  x [rows, C]   weight, bias [C]      writes  y [rows, C] =   stats [rows, 2] = (mean, rstd)
//   grid   rows / ROWS; ROW_LANES lanes share a row      order  a lane's Items ascending, then a tree
//   twin   src/cpu/layer_norm.rs
struct Params { rows: u32, items: u32, eps: f32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> weight: array<Item>;
@group(0) @binding(3) var<storage, read> bias: array<Item>;
@group(0) @binding(4) var<storage, read_write> y: array<Item>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;

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
    var sum = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) { sum += x[first + i]; }
    let mean = row_sum(item_sum(sum), lane) * params.inverse;
    var squares = Item();
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        let centred = x[first + i] - mean;
        squares += centred * centred;
    }
    let rstd = inverseSqrt(row_sum(item_sum(squares), lane) * params.inverse + params.eps);
    if (!active_row) { return; }
    for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
        var value = (x[first + i] - mean) * rstd;
        if (AFFINE == 1u) { value = value * weight[i] + bias[i]; }
        y[first + i] = value;
    }
    if (lane % ROW_LANES == 0u) { stats[row] = vec2(mean, rstd); }
}
