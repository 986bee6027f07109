//! How a run shows itself: a bar on a terminal, plain lines elsewhere; all on standard error.

use super::escaped;
use super::number::size;
use ijepa::eval::monitor::{Judgement, Measurement};
use ijepa::eval::probe::Row;
use ijepa::train::run::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What the user wants to see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    Quiet,
    Normal,
    Verbose,
}

pub struct Progress {
    loudness: Loudness,
    bar: Option<ProgressBar>,
    /// A terminal that a bar can be drawn on.
    terminal: bool,
    /// When the first step was done, which one it was, and what had been waited by then.
    started: Option<(Instant, u64, Duration)>,
    /// What the GPU waited for images so far.
    waited: Duration,
    spoken: Instant,
    /// What the monitor saw and said last, in short; in full, and whether that was shown.
    look: String,
    /// What the last probe gave.
    probed: String,
    judgement: Option<(String, bool)>,
    /// What the bar counts, where it is one of several.
    stage: String,
}

/// Between two plain lines.
const PAUSE: Duration = Duration::from_secs(10);

impl Progress {
    pub fn new(loudness: Loudness) -> Progress {
        Progress {
            loudness,
            bar: None,
            // On a terminal that can't move its cursor (TERM=dumb or unset) the bar and all that is printed above it would
            // be hidden: plain lines, then.
            terminal: std::io::stderr().is_terminal() && !ProgressDrawTarget::stderr().is_hidden(),
            started: None,
            waited: Duration::ZERO,
            spoken: Instant::now(),
            look: String::new(),
            probed: String::new(),
            judgement: None,
            stage: String::new(),
        }
    }

    /// A line of its own, above the bar.
    pub fn say(&self, line: &str) {
        if self.loudness != Loudness::Quiet {
            self.warn(line);
        }
    }

    /// The same, also where all else is to be quiet: without it, what is printed would be taken for more than it is.
    pub fn warn(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(escaped(line)),
            None => super::say(line),
        }
    }

    pub fn tell(&mut self, event: Event) {
        match event {
            Event::Memory(parts) => {
                let total: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
                self.say(&format!("memory of a step: {}", size(total)));
                for (part, bytes) in parts {
                    self.say(&format!("  {:>10}  {part}", size(*bytes)));
                }
            }
            Event::Note(text) => self.say(text),
            Event::Log(line) if self.loudness == Loudness::Verbose => self.say(line),
            Event::Log(_) => {}
            Event::Monitor { now, judgement } => {
                self.look = look(now, judgement);
                let line = format!("monitor: {}", judgement.words);
                let shown = self.loudness == Loudness::Verbose || !self.terminal;
                if shown {
                    self.say(&line);
                }
                self.judgement = Some((line, shown));
            }
            Event::Probed(probed) => {
                let Row { knn, linear } = probed.row;
                self.probed = format!(" probe: k-NN {knn:.1} % linear {linear:.1} %");
                let [fitted, scored] = probed.images;
                if self.loudness == Loudness::Verbose || !self.terminal {
                    self.say(&format!(
                        "step {}:{} of {scored} images, fitted on {fitted}",
                        probed.step, self.probed
                    ));
                }
            }
            Event::Saved(path) if self.loudness == Loudness::Verbose => self.say(&format!("saved {}", path.display())),
            Event::Saved(_) => {}
            Event::Waited(waited) => self.waited = waited,
            Event::Step { step, of, batch } => {
                let now = (Instant::now(), step.step, self.waited);
                let (began, first, before) = *self.started.get_or_insert(now);
                let done = step.step - first;
                // The first step, with its pipelines to make, says nothing about the pace.
                let rate = match (done * batch as u64) as f64 / began.elapsed().as_secs_f64().max(1e-9) {
                    0.0 => String::new(),
                    rate => format!(" {rate:.0} images/s"),
                };
                let data = late(self.waited.saturating_sub(before), began.elapsed());
                let regularizer = match step.regularizer {
                    0.0 => String::new(),
                    value => format!(" + {value:.4}"),
                };
                let text = format!(
                    "epoch {} loss {:.4}{regularizer}{rate}{data} {}{}",
                    step.epoch + 1,
                    step.loss,
                    self.look,
                    self.probed
                );
                self.show("step", step.step, of, done, began, text);
            }
        }
    }

    /// A step of fine-tuning.
    pub fn tuned(&mut self, (step, of): (u64, u64), batch: usize, text: &str) {
        let (began, first, _) = *self.started.get_or_insert((Instant::now(), step, Duration::ZERO));
        let done = step - first;
        let rate = match (done * batch as u64) as f64 / began.elapsed().as_secs_f64().max(1e-9) {
            0.0 => String::new(),
            rate => format!(" {rate:.0} images/s"),
        };
        self.show("step", step, of, done, began, format!("{text}{rate}"));
    }

    /// An image that was packed.
    pub fn image(&mut self, image: u64, of: u64) {
        let (began, first, _) = *self.started.get_or_insert((Instant::now(), image, Duration::ZERO));
        let done = image - first;
        let rate = done as f64 / began.elapsed().as_secs_f64().max(1e-9);
        self.show("image", image, of, done, began, format!("{rate:.0} images/s"));
    }

    /// One of several things that are done one after the other: a bar of its own, which goes when the next one comes.
    pub fn stage(&mut self, what: &str, at: usize, of: usize) {
        if self.stage != what {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
            self.stage = what.to_string();
            self.started = None;
        }
        let began = self.started.get_or_insert((Instant::now(), 0, Duration::ZERO)).0;
        // Where there is no bar, what is quickly done is not spoken of.
        if self.terminal || self.spoken.elapsed() >= PAUSE {
            self.show(what, at as u64, of as u64, at as u64, began, String::new());
        }
    }

    /// Takes the bar of the last stage away.
    pub fn end_stages(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A product that is tuned.
    pub fn product(&mut self, product: u64, of: u64, text: String) {
        let (began, ..) = *self.started.get_or_insert((Instant::now(), 0, Duration::ZERO));
        self.show("product", product, of, product, began, text);
    }

    /// `done` of the things called `what` have been done since `began`, and it is at number `at` of `of`.
    fn show(&mut self, what: &str, at: u64, of: u64, done: u64, began: Instant, text: String) {
        if self.loudness == Loudness::Quiet {
            return;
        }
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| {
                // What may be cut off on a narrow terminal comes last.
                let style = format!("{{bar:16}} {what} {{pos}}/{{len}} [{{elapsed}} < {{eta}}] {{wide_msg}}");
                let bar = ProgressBar::new(of).with_position(at);
                bar.set_style(ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.reset_eta();
                bar
            });
            bar.set_message(text);
            bar.set_position(at);
        } else if at == of || done == 0 || self.spoken.elapsed() >= PAUSE {
            self.spoken = Instant::now();
            let left = began.elapsed().as_secs_f64() / done.max(1) as f64 * (of - at) as f64;
            let left = if done == 0 {
                String::new()
            } else {
                format!(" {left:.0} s left")
            };
            self.say(&format!("{what} {at}/{of} {}{left}", text.trim_end()));
        }
    }

    /// What the monitor said last, unless that stands there already.
    pub fn verdict(&self) {
        if let Some((line, false)) = &self.judgement {
            self.say(line);
        }
    }

    /// Takes the bar away, leaving its last state.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }
}

/// The share of the time in which the GPU waited for images, where it did.
fn late(waited: Duration, elapsed: Duration) -> String {
    match (100.0 * waited.as_secs_f64() / elapsed.as_secs_f64().max(1e-9)).round() {
        0.0 => String::new(),
        share => format!(" data {share:.0} %"),
    }
}

/// The monitor's look in a few words: the verdict, and what it was made from.
fn look(now: &Measurement, judgement: &Judgement) -> String {
    let neighbours = now
        .neighbours
        .map(|per_cent| format!(" k-NN {per_cent:.1} %"))
        .unwrap_or_default();
    let (rank, deviation) = (now.effective_rank, now.deviation);
    let verdict = judgement.verdict.word();
    format!("{verdict}: rank {rank:.1} deviation {deviation:.3}{neighbours}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ijepa::eval::monitor::judge;

    #[test]
    fn who_waits_for_images_is_told() {
        let of_ten_seconds = |waited| late(Duration::from_millis(waited), Duration::from_secs(10));
        assert_eq!([0, 49, 1200].map(of_ten_seconds), ["", "", " data 12 %"]);
        assert_eq!(late(Duration::ZERO, Duration::ZERO), "");
    }

    #[test]
    fn a_look_shows_what_the_monitor_measured() {
        let now = |step, effective_rank, neighbours| Measurement {
            step,
            deviation: 0.4432,
            effective_rank,
            neighbours,
        };
        let text = |now: &Measurement, untrained: &Measurement| look(now, &judge(untrained, now, 500));
        let (before, after) = (now(0, 11.2, Some(30.1)), now(500, 16.66, Some(49.4)));
        assert_eq!(text(&after, &before), "healthy: rank 16.7 deviation 0.443 k-NN 49.4 %");
        assert_eq!(
            text(&now(10, 9.0, None), &before),
            "undecided: rank 9.0 deviation 0.443"
        );
    }
}
