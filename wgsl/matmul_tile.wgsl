// matmul, the variant for GPUs: a workgroup makes a TILE_M x TILE_N tile of C from panels of TILE_K k in workgroup memory, each
// of its lanes ROWS x COLUMNS sums in registers. The constants are those of a configuration in src/ops/tiles.rs.
//   reads  a, b (FORM says how they lie; operands_*.wgsl what they are)   bias [N]      writes  c, aux: see EPILOGUE in shared/matmul.wgsl
//          with Items of four, strides are multiples of four, and rows of C are filled up to one (src/ops/ways.rs: by_four)
//   grid   [N / TILE_N, M / TILE_M, batch]   any shape   order  k ascending      twin  src/cpu/matmul.rs
// What lies beyond an edge comes into the panels as zeros and is not stored. All panels have four neighbours of the tile's side
// in a vec4, whichever way the operand lies: lanes bring blocks of 4 x 4, and transpose what lies along k.
const ACROSS: u32 = TILE_N / COLUMNS; // lanes side by side, and one above the other
const DOWN: u32 = TILE_M / ROWS;
const LANES: u32 = ACROSS * DOWN;
const PITCH_A: u32 = TILE_M / 4u + PAD; // of a panel's rows, in vec4: PAD keeps lanes that store blocks out of each other's banks
const PITCH_B: u32 = TILE_N / 4u + PAD;
const DEPTH: u32 = TILE_K / 4u; // blocks of a panel along k
const BLOCKS_A: u32 = DEPTH * TILE_M / 4u;
const BLOCKS: u32 = BLOCKS_A + DEPTH * TILE_N / 4u;
const TURNS: u32 = (BLOCKS + LANES - 1u) / LANES; // blocks that a lane brings
const R: u32 = ROWS / 4u; // vec4 of a lane's rows, and of its columns
const C: u32 = COLUMNS / 4u;
var<workgroup> panel_a: array<vec4<f32>, TILE_K * PITCH_A>;
var<workgroup> panel_b: array<vec4<f32>, TILE_K * PITCH_B>;

// Values i to i + 3 of a row of `length` values that starts at Item `at`; zeros behind its end.
fn four_of_a(at: u32, i: u32, length: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if (ITEM == 4u) {
        if (i < length) { four = vec4<f32>(item_of_a(at + i / 4u)); }
        return select(vec4<f32>(), four, vec4(i, i + 1u, i + 2u, i + 3u) < vec4(length));
    }
    if (i < length) { four.x = vec4<f32>(item_of_a(at + i)).x; }
    if (i + 1u < length) { four.y = vec4<f32>(item_of_a(at + i + 1u)).x; }
    if (i + 2u < length) { four.z = vec4<f32>(item_of_a(at + i + 2u)).x; }
    if (i + 3u < length) { four.w = vec4<f32>(item_of_a(at + i + 3u)).x; }
    return four;
}
fn four_of_b(at: u32, i: u32, length: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if (ITEM == 4u) {
        if (i < length) { four = vec4<f32>(item_of_b(at + i / 4u)); }
        return select(vec4<f32>(), four, vec4(i, i + 1u, i + 2u, i + 3u) < vec4(length));
    }
    if (i < length) { four.x = vec4<f32>(item_of_b(at + i)).x; }
    if (i + 1u < length) { four.y = vec4<f32>(item_of_b(at + i + 1u)).x; }
    if (i + 2u < length) { four.z = vec4<f32>(item_of_b(at + i + 2u)).x; }
    if (i + 3u < length) { four.w = vec4<f32>(item_of_b(at + i + 3u)).x; }
    return four;
}

// Row `line` of the operand as it lies, which has `lines`.
fn line_of_a(first: u32, line: u32, lines: u32, i: u32, length: u32) -> vec4<f32> {
    if (line >= lines) { return vec4<f32>(); }
    return four_of_a(first + line * params.a.row, i, length);
}
fn line_of_b(first: u32, line: u32, lines: u32, i: u32, length: u32) -> vec4<f32> {
    if (line >= lines) { return vec4<f32>(); }
    return four_of_b(first + line * params.b.row, i, length);
}

// Four columns, k to k + 3, with four of the tile's rows each.
fn block_of_a(first: u32, row: u32, k: u32) -> mat4x4<f32> {
    if (FORM == TN) {
        return mat4x4(
            line_of_a(first, k, params.k, row, params.m),
            line_of_a(first, k + 1u, params.k, row, params.m),
            line_of_a(first, k + 2u, params.k, row, params.m),
            line_of_a(first, k + 3u, params.k, row, params.m),
        );
    }
    return transpose(mat4x4(
        line_of_a(first, row, params.m, k, params.k),
        line_of_a(first, row + 1u, params.m, k, params.k),
        line_of_a(first, row + 2u, params.m, k, params.k),
        line_of_a(first, row + 3u, params.m, k, params.k),
    ));
}
// Four rows, k to k + 3, with four of the tile's columns each.
fn block_of_b(first: u32, column: u32, k: u32) -> mat4x4<f32> {
    if (FORM != NT) {
        return mat4x4(
            line_of_b(first, k, params.k, column, params.n),
            line_of_b(first, k + 1u, params.k, column, params.n),
            line_of_b(first, k + 2u, params.k, column, params.n),
            line_of_b(first, k + 3u, params.k, column, params.n),
        );
    }
    return transpose(mat4x4(
        line_of_b(first, column, params.n, k, params.k),
        line_of_b(first, column + 1u, params.n, k, params.k),
        line_of_b(first, column + 2u, params.n, k, params.k),
        line_of_b(first, column + 3u, params.n, k, params.k),
    ));
}

// Where block `number` of a panel lies, in blocks along its side and along k: neighbours in memory are neighbouring lanes'.
fn place(number: u32, side: u32, along_k: bool) -> vec2<u32> {
    if (along_k) { return vec2(number / DEPTH, number % DEPTH); }
    return vec2(number % side, number / side);
}
fn place_a(number: u32) -> vec2<u32> { return place(number, TILE_M / 4u, FORM != TN); }
fn place_b(number: u32) -> vec2<u32> { return place(number - BLOCKS_A, TILE_N / 4u, FORM == NT); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_a = start(params.a, group.z);
    let first_b = start(params.b, group.z);
    let row0 = group.y * TILE_M;
    let column0 = group.x * TILE_N;
    let across = lane % ACROSS;
    let down = lane / ACROSS;
    var sums: array<vec4<f32>, ROWS * C>;
    var blocks: array<mat4x4<f32>, TURNS>;
    // Panels are brought while those before them are multiplied: nothing is, the first time; what is brought last is zeros.
    for (var k0 = 0u; k0 < params.k + TILE_K; k0 += TILE_K) {
        for (var turn = 0u; turn < TURNS; turn += 1u) {
            blocks[turn] = bring(first_a, first_b, row0, column0, k0, lane + turn * LANES);
        }
        let depth = select(TILE_K, 0u, k0 == 0u);
        for (var k = 0u; k < depth; k += 1u) {
            var of_b: array<vec4<f32>, C>;
            for (var j = 0u; j < C; j += 1u) { of_b[j] = panel_b[k * PITCH_B + across + ACROSS * j]; }
            for (var i = 0u; i < R; i += 1u) {
                let of_a = panel_a[k * PITCH_A + down + DOWN * i];
                for (var j = 0u; j < C; j += 1u) {
                    sums[4u * i * C + j] += of_a.x * of_b[j];
                    sums[(4u * i + 1u) * C + j] += of_a.y * of_b[j];
                    sums[(4u * i + 2u) * C + j] += of_a.z * of_b[j];
                    sums[(4u * i + 3u) * C + j] += of_a.w * of_b[j];
                }
            }
        }
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn += 1u) { put(blocks[turn], lane + turn * LANES); }
        workgroupBarrier();
    }
    for (var i = 0u; i < ROWS; i += 1u) {
        let row = row0 + 4u * (down + DOWN * (i / 4u)) + i % 4u;
        for (var j = 0u; j < C; j += 1u) {
            store(group.z, row, column0 + 4u * (across + ACROSS * j), sums[i * C + j]);
        }
    }
}

fn bring(first_a: u32, first_b: u32, row0: u32, column0: u32, k0: u32, number: u32) -> mat4x4<f32> {
    if (number < BLOCKS_A) {
        let at = place_a(number);
        return block_of_a(first_a, row0 + 4u * at.x, k0 + 4u * at.y);
    }
    if (number < BLOCKS) {
        let at = place_b(number);
        return block_of_b(first_b, column0 + 4u * at.x, k0 + 4u * at.y);
    }
    return mat4x4<f32>();
}

fn put(block: mat4x4<f32>, number: u32) {
    if (number < BLOCKS_A) {
        let at = place_a(number);
        let first = 4u * at.y * PITCH_A + at.x;
        panel_a[first] = block[0];
        panel_a[first + PITCH_A] = block[1];
        panel_a[first + 2u * PITCH_A] = block[2];
        panel_a[first + 3u * PITCH_A] = block[3];
    } else if (number < BLOCKS) {
        let at = place_b(number);
        let first = 4u * at.y * PITCH_B + at.x;
        panel_b[first] = block[0];
        panel_b[first + PITCH_B] = block[1];
        panel_b[first + 2u * PITCH_B] = block[2];
        panel_b[first + 3u * PITCH_B] = block[3];
    }
}

fn store(number: u32, row: u32, column: u32, four: vec4<f32>) {
    if (row >= params.m) { return; }
    let at = start(params.c, number) + row * params.c.row;
    for (var i = 0u; i < 4u; i += ITEM) {
        let item = (column + i) / ITEM;
        if (column + i < params.n) { finish(at + item, item, item_from(four, i)); }
    }
}
