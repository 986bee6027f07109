// patchify: the pixels of the listed patches, one patch a row, columns channel, then y, then x, as the convolution's
// weight [D, 3, patch, patch] has them.
//   reads  images: BYTES 1: u8 [B, height, width, 3], four to a word, normalised here with ImageNet's mean and deviation;
//                  BYTES 0: f32 [B, 3, height, width], normalised already (the bits of the f32, so that the type is one)
//          list [rows] u32: image * patches + patch      writes  y [rows, 3 * patch^2] =
//   grid   count / (LANES * per_lane)      twin  src/cpu/patchify.rs
struct Params { count: u32, per_lane: u32, height: u32, width: u32, patch_size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> images: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const MEAN = vec3(0.485, 0.456, 0.406);
const DEVIATION = vec3(0.229, 0.224, 0.225);

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let side = params.patch_size;
    let columns = params.width / side;
    let patches = columns * (params.height / side);
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let row = at / (3u * side * side);
        let column = at % (3u * side * side);
        let channel = column / (side * side);
        let image = list[row] / patches;
        let place = list[row] % patches;
        let py = (place / columns) * side + (column / side) % side;
        let px = (place % columns) * side + column % side;
        if (BYTES == 1u) {
            let byte = ((image * params.height + py) * params.width + px) * 3u + channel;
            let value = (images[byte / 4u] >> (8u * (byte % 4u))) & 255u;
            y[at] = (f32(value) / 255.0 - MEAN[channel]) / DEVIATION[channel];
        } else {
            y[at] = bitcast<f32>(images[((image * 3u + channel) * params.height + py) * params.width + px]);
        }
    }
}
