// gradient_norm: the sum of squares of a list of gradients (reduce adds the lanes' shares).
//   reads  g [count]      writes  partial [lanes of the grid] = , from `first` on
//   grid   count / (LANES * per_lane)      order  a lane's Items ascending      twin  src/cpu/gradient_norm.rs
struct Params { count: u32, per_lane: u32, first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Item>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

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
        sum += g[at] * g[at];
    }
    partial[params.first + (group.x + group.y * groups.x) * LANES + lane] = item_sum(sum);
}
