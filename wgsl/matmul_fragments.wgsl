// matmul, the variant for matrix units: operands in f16, sums in f32. A workgroup of four subgroups makes a TILE x TILE tile of C,
// each of them COUNT x COUNT fragments of SIDE x SIDE, from panels of SIDE k in workgroup memory; edges come into the panels as zeros.
//   reads  a, b: f16, two to a word (FORM says how they lie; strides are multiples of four values)   bias [N]
//   writes c, aux: see EPILOGUE in shared/matmul.wgsl; rows of C are filled up to four
//   grid   [N / TILE, M / TILE, batch]   order  k ascending by fragments, within one as the unit adds   twin  src/cpu/matmul.rs
// No subgroup operation stands here: with one beside matrix units some drivers crash. That lane / WIDTH is the subgroup's number is
// what drivers do with one row of whole subgroups, and what the self-test sees to (src/ops/fragments.rs).
const LANES: u32 = 4u * WIDTH;
const OWN: u32 = COUNT * SIDE; // rows and columns of a subgroup
const TILE: u32 = 2u * OWN;
const PAD: u32 = 8u; // halves: 16 bytes, to which a fragment's lines have to be aligned
// A panel lies as its operand does: lines of K where K is what lies side by side, else lines of the tile's rows or columns.
const K_LINES_A: bool = FORM == 2u;
const K_LINES_B: bool = FORM != 1u;
const LENGTH_A: u32 = select(SIDE, TILE, K_LINES_A);
const LENGTH_B: u32 = select(SIDE, TILE, K_LINES_B);
const LINES_A: u32 = select(TILE, SIDE, K_LINES_A);
const LINES_B: u32 = select(TILE, SIDE, K_LINES_B);
const PITCH_A: u32 = LENGTH_A + PAD;
const PITCH_B: u32 = LENGTH_B + PAD;
const ITEMS: u32 = TILE * SIDE / 4u; // of a panel
const TURNS: u32 = (ITEMS + LANES - 1u) / LANES; // items of each panel that a lane brings
var<workgroup> panel_a: array<Half, LINES_A * PITCH_A>;
var<workgroup> panel_b: array<Half, LINES_B * PITCH_B>;
var<workgroup> sums: array<f32, 4u * SIDE * SIDE>;
var<private> lane_of_subgroup: u32;

// Four values from number `i` on of a line of `length` values, as words; zeros behind the line's end.
fn cut(words: vec2<u32>, i: u32, length: u32) -> vec2<u32> {
    let low = select(vec2(0u), vec2(0x0000ffffu), vec2(i, i + 2u) < vec2(length));
    let high = select(vec2(0u), vec2(0xffff0000u), vec2(i + 1u, i + 3u) < vec2(length));
    return words & (low | high);
}
fn words_of_a(first: u32, line: u32, lines: u32, i: u32, length: u32) -> vec2<u32> {
    if (line >= lines || i >= length) { return vec2(0u); }
    return cut(a[first + line * params.a.row + i / 4u], i, length);
}
fn words_of_b(first: u32, line: u32, lines: u32, i: u32, length: u32) -> vec2<u32> {
    if (line >= lines || i >= length) { return vec2(0u); }
    return cut(b[first + line * params.b.row + i / 4u], i, length);
}

// Item `number` of the panels at row0, column0 and k0.
fn bring_a(first: u32, row0: u32, k0: u32, number: u32) -> vec2<u32> {
    let line = number / (LENGTH_A / 4u);
    let i = 4u * (number % (LENGTH_A / 4u));
    if (line >= LINES_A) { return vec2(0u); }
    if (K_LINES_A) { return words_of_a(first, k0 + line, params.k, row0 + i, params.m); }
    return words_of_a(first, row0 + line, params.m, k0 + i, params.k);
}
fn bring_b(first: u32, column0: u32, k0: u32, number: u32) -> vec2<u32> {
    let line = number / (LENGTH_B / 4u);
    let i = 4u * (number % (LENGTH_B / 4u));
    if (line >= LINES_B) { return vec2(0u); }
    if (K_LINES_B) { return words_of_b(first, k0 + line, params.k, column0 + i, params.n); }
    return words_of_b(first, column0 + line, params.n, k0 + i, params.k);
}
fn put_a(words: vec2<u32>, number: u32) {
    let line = number / (LENGTH_A / 4u);
    if (line >= LINES_A) { return; }
    let at = line * PITCH_A + 4u * (number % (LENGTH_A / 4u));
    let low = halves(words.x);
    let high = halves(words.y);
    panel_a[at] = low.x;
    panel_a[at + 1u] = low.y;
    panel_a[at + 2u] = high.x;
    panel_a[at + 3u] = high.y;
}
fn put_b(words: vec2<u32>, number: u32) {
    let line = number / (LENGTH_B / 4u);
    if (line >= LINES_B) { return; }
    let at = line * PITCH_B + 4u * (number % (LENGTH_B / 4u));
    let low = halves(words.x);
    let high = halves(words.y);
    panel_b[at] = low.x;
    panel_b[at + 1u] = low.y;
    panel_b[at + 2u] = high.x;
    panel_b[at + 3u] = high.y;
}

// The fragment of all k of the panels from this row, or column, of the tile on.
fn fragment_of_a(row: u32) -> FragmentA {
    if (K_LINES_A) { return columns_of_a(row); }
    return rows_of_a(row * PITCH_A);
}
fn fragment_of_b(column: u32) -> FragmentB {
    if (K_LINES_B) { return rows_of_b(column); }
    return columns_of_b(column * PITCH_B);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    lane_of_subgroup = lane % WIDTH;
    let subgroup = lane / WIDTH;
    let first_a = start(params.a, group.z);
    let first_b = start(params.b, group.z);
    let row0 = group.y * TILE;
    let column0 = group.x * TILE;
    let own_row = subgroup / 2u * OWN;
    let own_column = subgroup % 2u * OWN;
    //# repeat i in 0..COUNT
    //# repeat j in 0..COUNT
    var sum{i}_{j} = FragmentC();
    //# end
    //# end
    var of_a: array<vec2<u32>, TURNS>;
    var of_b: array<vec2<u32>, TURNS>;
    // Panels are brought while those before them are multiplied: nothing is, the first time; what is brought last is zeros.
    for (var k0 = 0u; k0 < params.k + SIDE; k0 += SIDE) {
        for (var turn = 0u; turn < TURNS; turn += 1u) {
            of_a[turn] = bring_a(first_a, row0, k0, lane + turn * LANES);
            of_b[turn] = bring_b(first_b, column0, k0, lane + turn * LANES);
        }
        if (k0 != 0u) {
            //# repeat j in 0..COUNT
            let b{j} = fragment_of_b(own_column + {j}u * SIDE);
            //# end
            //# repeat i in 0..COUNT
            let a{i} = fragment_of_a(own_row + {i}u * SIDE);
            //# repeat j in 0..COUNT
            sum{i}_{j} = multiply_add(a{i}, b{j}, sum{i}_{j});
            //# end
            //# end
        }
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn += 1u) {
            put_a(of_a[turn], lane + turn * LANES);
            put_b(of_b[turn], lane + turn * LANES);
        }
        workgroupBarrier();
    }
    //# repeat i in 0..COUNT
    //# repeat j in 0..COUNT
    put_sums(sum{i}_{j}, subgroup * SIDE * SIDE);
    workgroupBarrier();
    store(group.z, row0 + own_row + {i}u * SIDE, column0 + own_column + {j}u * SIDE, subgroup * SIDE * SIDE);
    workgroupBarrier();
    //# end
    //# end
}

// A fragment's sums, four of a row at a time.
fn store(number: u32, row0: u32, column0: u32, first: u32) {
    for (var four = lane_of_subgroup; four < SIDE * SIDE / 4u; four += WIDTH) {
        let row = row0 + four / (SIDE / 4u);
        let column = column0 + 4u * (four % (SIDE / 4u));
        if (row < params.m && column < params.n) {
            let at = first + 4u * four;
            let sum = vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
            finish(start(params.c, number) + row * params.c.row + column / 4u, column / 4u, sum);
        }
    }
}
