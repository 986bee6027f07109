enable f16;
enable wgpu_cooperative_matrix;
// Fragments of 8 x 8 for the matrix units: operands f16, sums f32; see fragments_16.wgsl.
alias Half = f16;
const SIDE: u32 = 8u;
alias FragmentA = coop_mat8x8<f16, A>;
alias FragmentB = coop_mat8x8<f16, B>;
alias FragmentC = coop_mat8x8<f32, C>;
// Exactly: naga 30 knows no bitcast from a word to two halves.
fn halves(word: u32) -> vec2<Half> { return vec2<f16>(unpack2x16float(word)); }
fn rows_of_a(at: u32) -> FragmentA { return coopLoadT<coop_mat8x8<f16, A>>(&panel_a[at], PITCH_A); }
fn columns_of_a(at: u32) -> FragmentA { return coopLoad<coop_mat8x8<f16, A>>(&panel_a[at], PITCH_A); }
fn rows_of_b(at: u32) -> FragmentB { return coopLoadT<coop_mat8x8<f16, B>>(&panel_b[at], PITCH_B); }
fn columns_of_b(at: u32) -> FragmentB { return coopLoad<coop_mat8x8<f16, B>>(&panel_b[at], PITCH_B); }
fn multiply_add(a: FragmentA, b: FragmentB, c: FragmentC) -> FragmentC { return coopMultiplyAdd(a, b, c); }
fn put_sums(c: FragmentC, at: u32) { coopStoreT(c, &sums[at], SIDE); }
