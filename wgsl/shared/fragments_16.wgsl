enable f16;
enable wgpu_cooperative_matrix;
// Fragments of 16 x 16 for the matrix units: operands f16, sums f32. A fragment belongs to a subgroup, whose lanes call these
// together; which lane has which of its values is the driver's business.
alias Half = f16;
const SIDE: u32 = 16u;
alias FragmentA = coop_mat16x16<f16, A>;
alias FragmentB = coop_mat16x16<f16, B>;
alias FragmentC = coop_mat16x16<f32, C>;
// Exactly: naga 30 knows no bitcast from a word to two halves.
fn halves(word: u32) -> vec2<Half> { return vec2<f16>(unpack2x16float(word)); }
// The fragment that begins at a place of a panel whose lines are PITCH apart; lines are rows (of A or B), or columns.
fn rows_of_a(at: u32) -> FragmentA { return coopLoadT<coop_mat16x16<f16, A>>(&panel_a[at], PITCH_A); }
fn columns_of_a(at: u32) -> FragmentA { return coopLoad<coop_mat16x16<f16, A>>(&panel_a[at], PITCH_A); }
fn rows_of_b(at: u32) -> FragmentB { return coopLoadT<coop_mat16x16<f16, B>>(&panel_b[at], PITCH_B); }
fn columns_of_b(at: u32) -> FragmentB { return coopLoad<coop_mat16x16<f16, B>>(&panel_b[at], PITCH_B); }
fn multiply_add(a: FragmentA, b: FragmentB, c: FragmentC) -> FragmentC { return coopMultiplyAdd(a, b, c); }
fn put_sums(c: FragmentC, at: u32) { coopStoreT(c, &sums[at], SIDE); }
