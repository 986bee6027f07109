// gather_backward: each row of x gets the gradients of all its copies. No atomics: the host inverts the list.
//   dx[r] = sum of dy[copies[j]] for j from starts[r] to starts[r + 1], so 0 for a row that was never read
//   reads  dy [any, C]   starts [rows + 1]   copies [starts[rows]] u32      writes  dx [rows, C] =
//   grid   rows / per_group; ROW_LANES lanes share a row      order  j ascending      twin  src/cpu/gather.rs
struct Params { rows: u32, per_group: u32, items: u32 }
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
    let first = (group.x + group.y * groups.x) * params.per_group;
    let stop = min(first + params.per_group, params.rows);
    for (var row = first + lane / ROW_LANES; row < stop; row += LANES / ROW_LANES) {
        let begin = starts[row];
        let end = starts[row + 1u];
        let to = row * params.items;
        // Mostly there is one copy: what the list says of it is read once for all columns.
        var source = 0u;
        if (begin < end) { source = copies[begin] * params.items; }
        for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) {
            var sum = Item();
            if (begin < end) { sum = dy[source + i]; }
            for (var j = begin + 1u; j < end; j += 1u) { sum += dy[copies[j] * params.items + i]; }
            dx[to + i] = sum;
        }
    }
}
