// 64 lanes share a row, a workgroup has one: a tree in workgroup memory, always in the same order. For GPUs.
const LANES: u32 = 64u;
const ROW_LANES: u32 = 64u;
const ROWS: u32 = 1u;
var<workgroup> row_tree: array<f32, 64>;
fn row_sum(x: f32, lane: u32) -> f32 {
    workgroupBarrier();
    row_tree[lane] = x;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { row_tree[lane] += row_tree[lane + half]; }
    }
    workgroupBarrier();
    return row_tree[0];
}
fn row_max(x: f32, lane: u32) -> f32 {
    workgroupBarrier();
    row_tree[lane] = x;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { row_tree[lane] = max(row_tree[lane], row_tree[lane + half]); }
    }
    workgroupBarrier();
    return row_tree[0];
}
