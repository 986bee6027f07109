//! Products beside kernels that were written for one shape alone: sizes in the text, loops written out, no edges, nothing that
//! follows. `cargo bench --bench by_hand`, a minute, where subgroups are of 8. What is compared takes turns; the goals are 0.95 of
//! these kernels' rate with a bias, and 0.9 with bias and GELU.

use ijepa::Result;
use ijepa::gpu::{Access, AdapterChoice, Build, Cost, Gpu, Grid, Kernel, Options, Recorder, View};
use ijepa::ops::matmul::{Epilogue, Form, cost, product};
use std::time::Instant;

const M: usize = 4096;
const K: usize = 1152;
const N: usize = 384;
const ROUNDS: usize = 8;
/// Products of a round.
const REPEATS: usize = 6;

/// A, B and C are bound as those of other kernels are: from 1 on, behind the uniform.
const HEAD: &str = "\
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * 16u;
    let column = group.x * 8u + lane;
";

/// The kernel of a form: 16 rows by a vec4 of columns in each of eight lanes, four values of K at a time, A passed round.
fn by_hand(form: Form) -> Kernel {
    let mut text = HEAD.to_string();
    let rows = 0..16;
    for r in rows.clone() {
        text += &format!("    var c{r} = vec4<f32>();\n");
    }
    text += &format!("    for (var k = 0u; k < {K}u; k += 4u) {{\n");
    for i in 0..4 {
        text += &match form {
            Form::Nt => format!("        let q{i} = b[(column * 4u + {i}u) * {}u + k / 4u];\n", K / 4),
            _ => format!("        let b{i} = b[(k + {i}u) * {}u + column];\n", N / 4),
        };
    }
    if form == Form::Nt {
        for (i, part) in ["x", "y", "z", "w"].iter().enumerate() {
            text += &format!("        let b{i} = vec4(q0.{part}, q1.{part}, q2.{part}, q3.{part});\n");
        }
    }
    for half in 0..2 {
        text += &match form {
            Form::Tn => format!(
                "        let a{half} = a[(k + (lane & 3u)) * {}u + row0 / 4u + {}u + (lane >> 2u)];\n",
                M / 4,
                2 * half
            ),
            _ => format!(
                "        let a{half} = a[(row0 + {}u + lane) * {}u + k / 4u];\n",
                8 * half,
                K / 4
            ),
        };
    }
    for r in rows.clone() {
        let x = |i: usize| match form {
            Form::Tn => format!("subgroupBroadcast(a{}[{}], {}u)", r / 8, r % 4, i + 4 * (r / 4 % 2)),
            _ => format!("subgroupBroadcast(a{}[{i}], {}u)", r / 8, r % 8),
        };
        // Named first: written into the sums, the same costs a third of the rate in form TN.
        for i in 0..4 {
            text += &format!("        let x{r}_{i} = {};\n", x(i));
        }
        let terms: Vec<String> = (0..4).map(|i| format!("x{r}_{i} * b{i}")).collect();
        text += &format!("        c{r} = c{r} + {};\n", terms.join(" + "));
    }
    text += "    }\n";
    for r in rows {
        text += &format!("    c[(row0 + {r}u) * {}u + column] = c{r};\n", N / 4);
    }
    text += "}\n";
    Kernel {
        name: match form {
            Form::Nn => "by_hand_nn",
            Form::Nt => "by_hand_nt",
            Form::Tn => "by_hand_tn",
        },
        source: text.leak(),
        bindings: &[Access::Read, Access::Read, Access::Write],
        shared: &[],
        constants: &[],
    }
}

/// GFLOP/s of what is recorded so often and waited for.
fn rate(rec: &mut Recorder, flag: &View, mut work: impl FnMut(&mut Recorder) -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..REPEATS {
        work(rec)?;
    }
    pollster::block_on(rec.read::<u32>(flag))?;
    Ok(cost(M, N, K).flops * REPEATS as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(()); // what test runners ask
    }
    let gpu = pollster::block_on(Gpu::open(&Options {
        adapter: AdapterChoice::Auto,
        ..Options::default()
    }))?;
    if gpu.subgroup_width() != Some(8) {
        println!(
            "{}: its subgroups are not of 8, for which these kernels are",
            gpu.info().name
        );
        return Ok(());
    }
    println!(
        "{M}x{K}x{N} on {}, GFLOP/s of the best round (share of by hand, least to most of {ROUNDS})",
        gpu.info().name
    );
    let flag = gpu.alloc("waited for", 1, 1)?;
    let values = |count: usize, seed: usize| -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 37 + seed) % 101) as f32 / 64.0 - 0.8)
            .collect()
    };
    let (bias, pre) = (
        gpu.upload("bias", 1, N, &values(N, 3))?,
        gpu.alloc("before GELU", M, N)?,
    );
    let (c, theirs) = (gpu.alloc("c", M, N)?, gpu.alloc("by hand", M, N)?);
    for form in [Form::Nn, Form::Nt, Form::Tn] {
        let [ar, ac] = if form == Form::Tn { [K, M] } else { [M, K] };
        let [br, bc] = if form == Form::Nt { [N, K] } else { [K, N] };
        let a = gpu.upload("a", ar, ac, &values(M * K, 1))?;
        let b = gpu.upload("b", br, bc, &values(K * N, 2))?;
        let kernel = by_hand(form);
        let hand = |rec: &mut Recorder| {
            let grid = Grid([(N / 32) as u32, (M / 16) as u32, 1]);
            rec.dispatch(
                &kernel,
                &Build::default(),
                &[0u32; 4],
                &[&a, &b, &theirs],
                grid,
                Cost::default(),
            )
        };
        let ours = |rec: &mut Recorder, what: usize| {
            let epilogue = match what {
                0 => Epilogue::Plain,
                1 => Epilogue::Bias(&bias),
                _ => Epilogue::BiasGelu {
                    bias: &bias,
                    pre: Some(&pre),
                },
            };
            product(rec, form, &a, &b, &c, epilogue)
        };
        let mut rec = Recorder::new(&gpu);
        // The same sums, in the same order.
        ours(&mut rec, 0)?;
        hand(&mut rec)?;
        let [got, want] = [&c, &theirs].map(|view| pollster::block_on(rec.read::<u32>(view)));
        assert!(got? == want?, "{form:?}: sums differ");
        let mut rates = vec![[0.0; 4]; ROUNDS + 1];
        for round in &mut rates {
            round[0] = rate(&mut rec, &flag, hand)?;
            for what in 0..3 {
                round[1 + what] = rate(&mut rec, &flag, |rec| ours(rec, what))?;
            }
        }
        let rates = &rates[1..]; // the first one made the pipelines
        let best = |i: usize| rates.iter().map(|round| round[i]).fold(0.0, f64::max);
        print!("{form:?}: by hand {:.1}", best(0));
        for (i, name) in ["sums alone", "bias", "bias and GELU"].iter().enumerate() {
            let mut shares: Vec<f64> = rates.iter().map(|round| round[i + 1] / round[0]).collect();
            shares.sort_by(f64::total_cmp);
            let best = best(i + 1);
            print!("; {name} {best:.1} ({:.2} to {:.2})", shares[0], shares[ROUNDS - 1]);
        }
        println!();
        rec.forget_bindings(); // of buffers that are not kept
    }
    Ok(())
}
