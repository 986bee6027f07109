//! `ijepa doctor`: adapters, known answers, a verdict.

mod adapters;
mod answer;
mod kernels;
mod losses;
mod products;
mod sequences;
mod step;

use super::adapter::AdapterArgs;
use super::print;
use answer::{Answer, Exam};
use ijepa::gpu::{Gpu, Options, UnitsChoice};
use ijepa::{Error, Result};

/// List the adapters, test every kernel and one training step on the chosen one, and say whether it computes right.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa doctor --adapter software")]
pub struct Args {
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(args: Args) -> Result<()> {
    let options = args.adapter.options();
    print(&adapters::list(options.backends))?;
    let gpu = pollster::block_on(Gpu::open(&Options {
        units: UnitsChoice::Auto,
        ..options.clone()
    }))?;
    print(&adapters::chosen(&gpu))?;

    let mut patient = Patient::default();
    let mut exam = Exam::new(&gpu);
    for check in kernels::CHECKS {
        patient.note(check.name, kernels::answers(check, &mut exam))?;
    }
    for variant in products::VARIANTS {
        let other = Options {
            variant: Some(variant.name().to_string()),
            ..options.clone()
        };
        let mut exam = Exam::new(&pollster::block_on(Gpu::open(&other))?);
        match products::products(variant, &mut exam) {
            Some(answers) => patient.note(&format!("matmul, {}", variant.name()), answers)?,
            None => print(&format!(
                "  {:<34} not for this adapter: it needs subgroups of exactly 8\n",
                format!("matmul, {}", variant.name())
            ))?,
        }
    }
    let units = match products::matrix_units(&gpu) {
        None => "none here that multiply f16 and add in f32".to_string(),
        Some(said) => {
            said.map_err(|error| Error::run(format!("matrix units could not be tried: {error}; {WHAT_TO_DO}")))?
        }
    };
    print(&format!("  {:<34} {units}\n", "matrix units"))?;
    for (part, answers) in step::answers(&gpu)? {
        patient.note(&format!("training step: {part}"), Ok(answers))?;
    }
    let pipelines = gpu.pipeline_count();
    print(&format!(
        "\n{}, {pipelines} pipelines\n",
        patient.verdict(&gpu.info().name)?
    ))
}

/// What was found so far.
#[derive(Default)]
struct Patient {
    right: usize,
    wrong: Vec<String>,
}

impl Patient {
    /// Prints the line of one operation. What could not be computed at all ends the examination: a device that is lost
    /// answers nothing any more.
    fn note(&mut self, name: &str, answers: Result<Vec<Answer>>) -> Result<()> {
        let answers =
            answers.map_err(|error| Error::run(format!("{name} could not be computed: {error}; {WHAT_TO_DO}")))?;
        let Some(worst) = answers.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio())) else {
            return Err(Error::run(format!("{name} gave no answer")));
        };
        let verdict = if worst.wrong.is_none() { "ok" } else { "WRONG" };
        let mut line = format!(
            "  {name:<34} {:>9}  {:>9}  {verdict}\n",
            format!("{:.1e}", worst.error),
            format!("{:.1e}", worst.allowed)
        );
        for wrong in answers.iter().filter_map(|answer| answer.wrong.as_ref()) {
            line += &format!("      {wrong}\n");
        }
        match worst.wrong {
            None => self.right += 1,
            Some(_) => self.wrong.push(name.to_string()),
        }
        print(&line)
    }

    fn verdict(&self, adapter: &str) -> Result<String> {
        if self.wrong.is_empty() {
            return Ok(format!(
                "verdict: \"{adapter}\" computes right: {} answers agree with f64",
                self.right
            ));
        }
        Err(Error::run(format!(
            "verdict: \"{adapter}\" computes WRONG: {} of {} answers differ from f64 ({}); {WHAT_TO_DO}",
            self.wrong.len(),
            self.wrong.len() + self.right,
            self.wrong.join(", ")
        )))
    }
}

const WHAT_TO_DO: &str =
    "don't train on it: update its driver, or try another --backend, --variant any or --adapter software";

#[cfg(test)]
mod tests {
    use super::*;
    use answer::compare;

    #[test]
    fn one_wrong_value_makes_the_verdict_wrong_and_exits_with_1() {
        let right = || compare("y", 2, &[1.0, 2.0], &[1.0, 2.0], 1e-6);
        let mut patient = Patient::default();
        patient.note("gather", Ok(vec![right()])).unwrap();
        assert!(patient.verdict("a GPU").unwrap().contains("computes right: 1 answers"));

        let wrong = compare("dx", 2, &[1.0, 2.1], &[1.0, 2.0], 1e-6);
        patient.note("attention", Ok(vec![right(), wrong, right()])).unwrap();
        let error = patient.verdict("a GPU").unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(
            text.contains("1 of 2 answers differ from f64 (attention)") && text.contains("--adapter software"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_computed_ends_the_examination() {
        let mut patient = Patient::default();
        let error = patient
            .note("adamw", Err(Error::run("the device was lost")))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("adamw could not be computed: the device was lost; don't train on it"),
            "{error}"
        );
        assert!(patient.note("adamw", Ok(vec![])).is_err());
    }
}
