// The same in plain WGSL, for any adapter: what tests run where there are no matrix units. A lane owns every WIDTH-th of a
// fragment's sums, and reads what it multiplies from the panels; f16 values are widened, so that nothing asks for a feature.
alias Half = f32;
const SIDE: u32 = 8u;
const OWNED: u32 = SIDE * SIDE / WIDTH;
// Value (line, i) of an operand's fragment lies at `at` + line * pitch + i.
struct Fragment { at: u32, by_rows: bool }
alias FragmentA = Fragment;
alias FragmentB = Fragment;
alias FragmentC = array<f32, OWNED>;
fn halves(word: u32) -> vec2<Half> { return unpack2x16float(word); }
fn rows_of_a(at: u32) -> FragmentA { return Fragment(at, true); }
fn columns_of_a(at: u32) -> FragmentA { return Fragment(at, false); }
fn rows_of_b(at: u32) -> FragmentB { return Fragment(at, true); }
fn columns_of_b(at: u32) -> FragmentB { return Fragment(at, false); }
fn multiply_add(a: FragmentA, b: FragmentB, c: FragmentC) -> FragmentC {
    var sum = c;
    for (var own = 0u; own < OWNED; own += 1u) {
        let row = (lane_of_subgroup + own * WIDTH) / SIDE;
        let column = (lane_of_subgroup + own * WIDTH) % SIDE;
        for (var k = 0u; k < SIDE; k += 1u) {
            let of_a = panel_a[a.at + select(k * PITCH_A + row, row * PITCH_A + k, a.by_rows)];
            let of_b = panel_b[b.at + select(column * PITCH_B + k, k * PITCH_B + column, b.by_rows)];
            sum[own] += of_a * of_b;
        }
    }
    return sum;
}
fn put_sums(c: FragmentC, at: u32) {
    var sum = c;
    for (var own = 0u; own < OWNED; own += 1u) { sums[at + lane_of_subgroup + own * WIDTH] = sum[own]; }
}
