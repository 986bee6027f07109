// predictor_tokens: the predictor's input: embedded context tokens and copies of the mask token, each with its position.
//   y[r] = (context[source[r]], or mask_token where source[r] is 0xffffffff) + positions[place[r]]
//   reads  context [any, C]   mask_token [C]   positions [patches, C]   source, place [rows] u32
//   writes y [rows, C] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/predictor_tokens.rs
struct Params { count: u32, per_lane: u32, items: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> context: array<Item>;
@group(0) @binding(2) var<storage, read> mask_token: array<Item>;
@group(0) @binding(3) var<storage, read> positions: array<Item>;
@group(0) @binding(4) var<storage, read> source: array<u32>;
@group(0) @binding(5) var<storage, read> place: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<Item>;

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
        let column = at % params.items;
        var token = mask_token[column];
        if (source[row] != 0xffffffffu) { token = context[source[row] * params.items + column]; }
        y[at] = token + positions[place[row] * params.items + column];
    }
}
