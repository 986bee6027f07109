// ceiling_fragments: matrix units on fragments that stay where they are: the rate of products in f16 with sums in f32 here.
//   A_i[row, k] = a * ((row + 3 k) % 5), B_j[k, column] = b * ((2 column + k) % 7), rows and columns counted over all COUNT fragments
//   writes y [subgroups of the grid, SIDE * SIDE] = the sum over i and j of `rounds` times A_i B_j
//   grid   as many workgroups of four subgroups as are asked for      twin  src/cpu/ceiling.rs
// No subgroup operation stands here: with one beside matrix units some drivers crash.
struct Params { rounds: u32, a: f32, b: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

const LANES: u32 = 4u * WIDTH;
const LINES: u32 = COUNT * SIDE;
const PITCH_A: u32 = SIDE + 8u; // 16 bytes more, to which a fragment's lines have to be aligned
const PITCH_B: u32 = PITCH_A;
var<workgroup> panel_a: array<Half, LINES * PITCH_A>;
var<workgroup> panel_b: array<Half, LINES * PITCH_B>;
var<workgroup> sums: array<f32, 4u * SIDE * SIDE>;
var<private> lane_of_subgroup: u32;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    lane_of_subgroup = lane % WIDTH;
    for (var at = lane; at < LINES * SIDE; at += LANES) {
        let line = at / SIDE;
        let k = at % SIDE;
        panel_a[line * PITCH_A + k] = Half(params.a * f32((line + 3u * k) % 5u));
        panel_b[line * PITCH_B + k] = Half(params.b * f32((2u * line + k) % 7u));
    }
    workgroupBarrier();
    //# repeat i in 0..COUNT
    let a{i} = rows_of_a({i}u * SIDE * PITCH_A);
    let b{i} = columns_of_b({i}u * SIDE * PITCH_B);
    //# repeat j in 0..COUNT
    var sum{i}_{j} = FragmentC();
    //# end
    //# end
    for (var round = 0u; round < params.rounds; round += 1u) {
        //# repeat i in 0..COUNT
        //# repeat j in 0..COUNT
        sum{i}_{j} = multiply_add(a{i}, b{j}, sum{i}_{j});
        //# end
        //# end
    }
    let own = lane / WIDTH * SIDE * SIDE;
    let out = group.x * 4u * SIDE * SIDE + own;
    for (var at = lane_of_subgroup; at < SIDE * SIDE; at += WIDTH) { y[out + at] = 0.0; }
    //# repeat i in 0..COUNT
    //# repeat j in 0..COUNT
    put_sums(sum{i}_{j}, own);
    workgroupBarrier();
    for (var at = lane_of_subgroup; at < SIDE * SIDE; at += WIDTH) { y[out + at] += sums[own + at]; }
    workgroupBarrier();
    //# end
    //# end
}
