//! Weights that are probed, beside raw pixels and the untrained encoder of the same run.

use crate::cli::progress::{Loudness, Progress};
use ijepa::Result;
use ijepa::data::source::Dataset;
use ijepa::eval::comparison::{Comparison, Which};
use ijepa::eval::labelled::Labelled;
use ijepa::eval::probe::ProbeTable;
use ijepa::eval::protocol::{Method, Plan, Protocol};
use ijepa::gpu::Gpu;
use ijepa::model::init;
use ijepa::model::tensors::Tensors;
use ijepa::train::config::Config;

/// The short table of a run's weights (with their name for messages), on at most `most` images of each set.
pub fn table(
    gpu: &Gpu,
    config: &Config,
    learned: (Tensors, String),
    train: &Dataset,
    test: &Dataset,
    most: usize,
) -> Result<ProbeTable> {
    let subject = Subject {
        gpu,
        config,
        learned,
        blocks: 1,
        labels: (1.0, 0),
        most,
        tokens: None,
    };
    let mut progress = Progress::new(Loudness::Normal);
    let table = subject.table(train, test, &mut progress);
    progress.end_stages();
    table
}

/// A run's weights, and how they are looked at.
pub struct Subject<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a Config,
    /// Weights, with their name for messages.
    pub learned: (Tensors, String),
    /// Blocks that features are made of.
    pub blocks: usize,
    /// The share of the labels that are fitted on, and what draws them.
    pub labels: (f64, u64),
    /// The most images of either set.
    pub most: usize,
    /// The most bytes that patch features of either set may take; `None`: they are not kept.
    pub tokens: Option<u64>,
}

impl Subject<'_> {
    /// The short table: weights beside raw pixels and the run's own first weights.
    pub fn table(&self, train: &Dataset, test: &Dataset, progress: &mut Progress) -> Result<ProbeTable> {
        let batch = self.config.data.batch_size;
        self.with(train, test, progress, |comparison, progress| {
            let mut tell = |which: Which, done, of| progress.stage(encoding(which), done, of);
            pollster::block_on(comparison.table(self.gpu, batch, &mut tell))
        })
    }

    /// The probes of a plan, of all three kinds of features.
    pub fn protocol(&self, train: &Dataset, test: &Dataset, plan: &Plan, progress: &mut Progress) -> Result<Protocol> {
        let (batch, classes) = (self.config.data.batch_size, train.class_names());
        self.with(train, test, progress, |comparison, progress| {
            let mut probes = vec![];
            for which in [Which::Untrained, Which::Learned] {
                let mut tell = |done, of| progress.stage(encoding(which), done, of);
                let with_pixels = which == Which::Untrained;
                let encoded = comparison.encode(self.gpu, which, batch, with_pixels, &mut tell);
                let (encoded, pixels) = pollster::block_on(encoded)?;
                let name = match which {
                    Which::Untrained => "untrained",
                    Which::Learned => "learned",
                };
                for (name, encoded) in pixels
                    .map(|pixels| ("raw", pixels))
                    .into_iter()
                    .chain([(name, encoded)])
                {
                    let mut tell = |method: Method, done, of| {
                        progress.stage(&format!("{} of {name}:", method.word()), done, of);
                    };
                    let run = plan.run(self.gpu, name, &encoded, classes, &mut tell);
                    probes.extend(pollster::block_on(run)?);
                }
            }
            Ok(Protocol {
                probes,
                classes: classes.to_vec(),
                about: vec![],
            })
        })
    }

    /// What is done with the comparison of these weights on these images.
    fn with<T>(
        &self,
        train: &Dataset,
        test: &Dataset,
        progress: &mut Progress,
        done: impl FnOnce(&Comparison, &mut Progress) -> Result<T>,
    ) -> Result<T> {
        let (model, transform) = (self.config.model()?, self.config.eval_transform());
        let labelled = |data| Labelled::new(data, train.class_names(), model.image, transform, self.most);
        let (mut fitted, scored) = (labelled(train)?, labelled(test)?);
        let (share, seed) = self.labels;
        if share != 1.0 {
            fitted = fitted.with_fraction(share, seed)?;
        }
        for notice in [fitted.notice(), scored.notice()].into_iter().flatten() {
            progress.say(&notice);
        }
        let comparison = Comparison {
            model: &model,
            learned: &self.learned.0,
            origin: &self.learned.1,
            untrained: &init::draw(&model, self.config.meta.init, self.config.meta.seed),
            train: &fitted,
            test: &scored,
            blocks: self.blocks,
            tokens: self.tokens,
        };
        done(&comparison, progress)
    }
}

/// What the bar counts.
fn encoding(which: Which) -> &'static str {
    match which {
        Which::Untrained => "image, by the untrained encoder:",
        Which::Learned => "image, by the learned encoder:",
    }
}
