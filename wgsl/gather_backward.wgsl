// gather_backward: each row of x gets the gradients of all its copies. No atomics: the host inverts the list.
//   dx[r] = sum of dy[copies[j]] for j from starts[r] to starts[r + 1], so 0 for a row that was never read
//   reads  dy [any, C]   starts [rows + 1]   copies [starts[rows]] u32      writes  dx [rows, C] =
//   grid   count / (LANES * per_lane)      order  j ascending      twin  src/cpu/gather.rs
struct Params { count: u32, per_lane: u32, items: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Item>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> copies: array<u32>;
@group(0) @binding(4) var<storage, read_write> dx: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let row = at / params.items;
        var sum = Item();
        for (var j = starts[row]; j < starts[row + 1u]; j += 1u) {
            sum += dy[copies[j] * params.items + at % params.items];
        }
        dx[at] = sum;
    }
}
