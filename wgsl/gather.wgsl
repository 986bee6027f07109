// gather: the listed rows.   y[r] = x[list[r]]
//   reads  x [any, C]   list [rows] u32      writes  y [rows, C] =
//   grid   rows / per_group; ROW_LANES lanes share a row      twin  src/cpu/gather.rs
struct Params { rows: u32, per_group: u32, items: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (group.x + group.y * groups.x) * params.per_group;
    let stop = min(first + params.per_group, params.rows);
    for (var row = first + lane / ROW_LANES; row < stop; row += LANES / ROW_LANES) {
        let source = list[row] * params.items;
        let to = row * params.items;
        for (var i = lane % ROW_LANES; i < params.items; i += ROW_LANES) { y[to + i] = x[source + i]; }
    }
}
