// smooth_l1: the loss (beta 1, mean over all values) and its gradient in one pass.
//   d = prediction - desired     loss = mean(|d| < 1 ? d^2 / 2 : |d| - 1/2)      gradient = clamp(d, -1, 1) / count
//   reads  prediction, desired [rows, C] (the target, a reserved word)
//   writes gradient [rows, C] =   partial [lanes of the grid] = (reduce adds)
//   grid   count / (LANES * per_lane)      order  a lane's Items ascending      twin  src/cpu/smooth_l1.rs
struct Params { count: u32, per_lane: u32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<Item>;
@group(0) @binding(2) var<storage, read> desired: array<Item>;
@group(0) @binding(3) var<storage, read_write> gradient: array<Item>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = Item();
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let d = prediction[at] - desired[at];
        let inner = clamp(d, Item(-1.0), Item(1.0));
        // With i = clamp(d): i * (d - i / 2) is d^2 / 2 inside and |d| - 1/2 outside. A NaN stays one in `d`.
        sum += inner * (d - 0.5 * inner);
        gradient[at] = inner * params.inverse;
    }
    partial[(group.x + group.y * groups.x) * LANES + lane] = item_sum(sum);
}
