//! A linear fit to frozen features: one-hot ridge regression with an intercept on standardised channels, the class with
//! the highest score named. One small dense system, solved exactly; nothing is drawn and nothing iterates.

use super::rows;
use super::samples::{Samples, same_dims};
use super::scaling::Scaling;
use crate::{Error, Result};
use nalgebra::{Cholesky, DMatrix, DMatrixViewMut};
use rayon::prelude::*;

/// The penalties that are tried, per image and in units of a channel's variance; equal scores take the heavier one.
pub const PENALTIES: [f64; 6] = [10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4];
/// Where no class has five images to choose with.
const PENALTY_OF_FEW: f64 = 0.1;

/// How well a linear fit tells the class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    /// Per cent of the test images.
    pub accuracy: f64,
    /// The one of [`PENALTIES`] that was best on the held-out fifth of the training images.
    pub penalty: f64,
}

/// Chooses the penalty on every fifth training image of each class, fits again on all of them, scores on `test`.
///
/// # Errors
/// Where the two have different numbers of channels.
pub fn ridge_accuracy(train: &Samples, test: &Samples) -> Result<Ridge> {
    same_dims("linear probe", train, test)?;
    let mut classes = train.labels().to_vec();
    classes.sort_unstable();
    classes.dedup();

    let (kept, held) = fifths(train.labels(), &classes);
    let mut penalty = PENALTY_OF_FEW;
    if !held.is_empty() {
        let system = System::new(train, &kept, &classes);
        let mut most = 0;
        for candidate in PENALTIES {
            let right = system.solve(candidate)?.right(train, &held);
            if right > most || candidate == PENALTIES[0] {
                (most, penalty) = (right, candidate);
            }
        }
    }
    let everything: Vec<usize> = (0..train.labels().len()).collect();
    let system = System::new(train, &everything, &classes);
    let fit = system.solve(penalty)?;
    let asked: Vec<usize> = (0..test.labels().len()).collect();
    Ok(Ridge {
        accuracy: 100.0 * fit.right(test, &asked) as f64 / asked.len() as f64,
        penalty,
    })
}

/// Images to fit and images to choose with: the fifth, tenth, ... of each class, so that an order by class does no harm.
fn fifths(labels: &[u32], classes: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = vec![0usize; classes.len()];
    (0..labels.len()).partition(|&image| {
        let count = &mut seen[place(classes, labels[image])];
        *count += 1;
        !count.is_multiple_of(5)
    })
}

fn place(classes: &[u32], label: u32) -> usize {
    classes.partition_point(|class| *class < label)
}

/// Channel means and scales of the images that are fitted, and the products that every penalty shares.
struct System<'a> {
    classes: &'a [u32],
    scaling: Scaling,
    /// Standardised features, `dims` x images.
    features: DMatrix<f64>,
    /// Each image's class, by its place.
    named: Vec<usize>,
    /// Each class's part of the images: with centred features the intercept.
    shares: Vec<f64>,
    /// features · featuresᵀ, or featuresᵀ · features where there are fewer images than channels; the lower triangle.
    products: DMatrix<f64>,
}

impl<'a> System<'a> {
    fn new(samples: &Samples, images: &[usize], classes: &'a [u32]) -> Self {
        let (n, dims) = (images.len(), samples.features.dims());
        let scaling = Scaling::new(samples, images);
        // Written in place: these may be 50,000 images of 3,072 channels.
        let mut features = DMatrix::zeros(dims, n);
        let columns = features.as_mut_slice().par_chunks_mut(dims);
        columns
            .zip(images)
            .for_each(|(column, image)| scaling.apply(samples.features.row(*image), column));
        let named: Vec<usize> = images.iter().map(|i| place(classes, samples.labels()[*i])).collect();
        let share = |class| named.iter().filter(|named| **named == class).count() as f64 / n as f64;
        let shares = rows::map(classes.len(), share);
        let products = if n < dims {
            times_its_transpose(&features.transpose())
        } else {
            times_its_transpose(&features)
        };
        Self {
            classes,
            scaling,
            features,
            named,
            shares,
            products,
        }
    }

    fn solve(&self, penalty: f64) -> Result<Fit<'_>> {
        let n = self.features.ncols();
        let mut matrix = self.products.clone();
        for i in 0..matrix.nrows() {
            matrix[(i, i)] += penalty * n as f64;
        }
        let broken = || Error::run("linear probe: the features are too large or too small to be fitted");
        let factor = lower_factor(matrix).ok_or_else(broken)?;
        let solve = |right: &DMatrix<f64>| {
            let half = factor.solve_lower_triangular(right)?;
            factor.tr_solve_lower_triangular(&half)
        };
        // (X Xᵀ + p) w = X y, and its dual w = X (Xᵀ X + p)⁻¹ y.
        let dual = n < self.features.nrows();
        let mut weights = DMatrix::zeros(self.features.nrows(), self.classes.len());
        for first in (0..self.classes.len()).step_by(CLASSES) {
            let targets = self.targets(first, CLASSES.min(self.classes.len() - first));
            let some = if dual {
                &self.features * solve(&targets).ok_or_else(broken)?
            } else {
                solve(&(&self.features * &targets)).ok_or_else(broken)?
            };
            weights.columns_mut(first, some.ncols()).copy_from(&some);
        }
        Ok(Fit { system: self, weights })
    }

    /// One-hot classes `first .. first + count` less their mean, images x classes.
    fn targets(&self, first: usize, count: usize) -> DMatrix<f64> {
        DMatrix::from_fn(self.named.len(), count, |image, class| {
            let class = first + class;
            f64::from(u8::from(self.named[image] == class)) - self.shares[class]
        })
    }
}

/// A solved system.
struct Fit<'a> {
    system: &'a System<'a>,
    /// dims x classes
    weights: DMatrix<f64>,
}

impl Fit<'_> {
    /// How many of these images get their own class. A class that was never fitted is never named.
    fn right(&self, samples: &Samples, images: &[usize]) -> usize {
        let classes = self.system.classes;
        let named_right = rows::map(images.len(), |i| {
            let mut features = vec![0.0; samples.features.dims()];
            self.system
                .scaling
                .apply(samples.features.row(images[i]), &mut features);
            let score = |class: usize| {
                let weights = self.weights.column(class);
                let score: f64 = weights.iter().zip(&features).map(|(w, x)| w * x).sum();
                score + self.system.shares[class]
            };
            // Of equal scores the lowest class.
            let best = (0..classes.len())
                .map(|class| (class, score(class)))
                .reduce(|a, b| if b.1 > a.1 { b } else { a });
            best.is_some_and(|(class, _)| classes[class] == samples.labels()[images[i]])
        });
        named_right.into_iter().filter(|right| *right).count()
    }
}

/// Classes that are solved for together: there may be thousands, of as many images.
const CLASSES: usize = 256;
/// Columns that one thread takes at a time.
const STRIP: usize = 128;
/// Columns that are factored before the rest is brought up to date.
const PANEL: usize = 64;

/// The lower triangle of a · aᵀ (what is above it within a strip is left undefined).
fn times_its_transpose(a: &DMatrix<f64>) -> DMatrix<f64> {
    let side = a.nrows();
    let mut product = DMatrix::zeros(side, side);
    product
        .as_mut_slice()
        .par_chunks_mut(side * STRIP)
        .enumerate()
        .for_each(|(strip, columns)| {
            let (first, width) = (strip * STRIP, columns.len() / side);
            let other = a.rows(first, width).transpose();
            let mut columns = DMatrixViewMut::from_slice(columns, side, width);
            columns
                .rows_mut(first, side - first)
                .gemm(1.0, &a.rows(first, side - first), &other, 0.0);
        });
    product
}

/// Cholesky's lower factor of a positive definite matrix whose lower triangle is given. By panels, so that nearly all of
/// the work is matrix products on all threads: nalgebra's own goes column by column, minutes for 3,072 channels.
fn lower_factor(mut a: DMatrix<f64>) -> Option<DMatrix<f64>> {
    let n = a.nrows();
    for first in (0..n).step_by(PANEL) {
        let width = PANEL.min(n - first);
        let next = first + width;
        let corner = Cholesky::new(a.view((first, first), (width, width)).into_owned())?.unpack();
        a.view_mut((first, first), (width, width)).copy_from(&corner);
        if next == n {
            break;
        }
        // Below the corner: L₂₁ᵀ = L₁₁⁻¹ A₂₁ᵀ, column by column.
        let mut below = a.view((next, first), (n - next, width)).transpose();
        let solved: bool = below
            .as_mut_slice()
            .par_chunks_mut(width * STRIP)
            .map(|columns| {
                let count = columns.len() / width;
                corner.solve_lower_triangular_mut(&mut DMatrixViewMut::from_slice(columns, width, count))
            })
            .reduce(|| true, |one, other| one && other);
        if !solved {
            return None;
        }
        let panel = below.transpose();
        a.view_mut((next, first), (n - next, width)).copy_from(&panel);
        // What is left: A₂₂ -= L₂₁ L₂₁ᵀ.
        a.as_mut_slice()[next * n..]
            .par_chunks_mut(n * STRIP)
            .enumerate()
            .for_each(|(strip, columns)| {
                let (from, count) = (strip * STRIP, columns.len() / n);
                let mut columns = DMatrixViewMut::from_slice(columns, n, count);
                let (height, other) = (n - next - from, below.columns(from, count));
                columns
                    .rows_mut(next + from, height)
                    .gemm(-1.0, &panel.rows(from, height), &other, 1.0);
            });
    }
    Some(a)
}
