//! Eigenvalues of a symmetric matrix, all of them, or the first few with their vectors.

/// All eigenvalues of a symmetric matrix `[n, n]` (only its lower triangle is read), the largest first: Householder's
/// tridiagonal form, then Sturm counts by bisection, which never fail to converge. Takes n^3 steps.
pub fn values(matrix: &[f64], n: usize) -> Vec<f64> {
    let (diagonal, beside) = tridiagonal(matrix, n);
    // Gershgorin: every eigenvalue lies within this.
    let beside_at = |i: usize| if i + 1 < n { beside[i].abs() } else { 0.0 };
    let reach = |i: usize| beside_at(i) + if i > 0 { beside_at(i - 1) } else { 0.0 };
    let bound = (0..n).map(|i| diagonal[i].abs() + reach(i)).fold(0.0, f64::max);
    let smallest_step = f64::EPSILON * bound;
    let below = |x: f64| {
        let mut count = 0;
        let mut pivot = 1.0;
        for i in 0..n {
            let square = if i > 0 { beside[i - 1] * beside[i - 1] } else { 0.0 };
            pivot = diagonal[i] - x - square / pivot;
            if pivot.abs() < f64::MIN_POSITIVE {
                pivot = -f64::MIN_POSITIVE;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    };
    let mut found = super::rows::map(n, |rank| {
        let (mut low, mut high) = (-bound, bound);
        while high - low > smallest_step {
            let middle = low + 0.5 * (high - low);
            if middle <= low || middle >= high {
                break;
            }
            if below(middle) > rank {
                high = middle;
            } else {
                low = middle;
            }
        }
        low + 0.5 * (high - low)
    });
    found.reverse();
    found
}

/// Diagonal and subdiagonal of a tridiagonal matrix with the same eigenvalues.
fn tridiagonal(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a: Vec<f64> = (0..n * n)
        .map(|i| matrix[(i / n).max(i % n) * n + (i / n).min(i % n)])
        .collect();
    let mut beside = vec![0.0; n.saturating_sub(1)];
    for k in 0..n.saturating_sub(2) {
        // The reflection that turns column k below its subdiagonal to zero: I - 2 v v' with |v| = 1.
        let column: Vec<f64> = (k + 1..n).map(|i| a[i * n + k]).collect();
        let norm = column.iter().map(|x| x * x).sum::<f64>().sqrt();
        let alpha = if column[0] > 0.0 { -norm } else { norm };
        beside[k] = alpha;
        let mut v = column;
        v[0] -= alpha;
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        v.iter_mut().for_each(|x| *x /= length);
        // A - 2 v w' - 2 w v' with w = A v - (v' A v) v, on what is left.
        let m = v.len();
        let row = |i: usize| (k + 1 + i) * n + k + 1;
        let mut w: Vec<f64> = (0..m)
            .map(|i| a[row(i)..][..m].iter().zip(&v).map(|(x, y)| x * y).sum())
            .collect();
        let inner: f64 = w.iter().zip(&v).map(|(x, y)| x * y).sum();
        w.iter_mut().zip(&v).for_each(|(x, y)| *x -= inner * y);
        for i in 0..m {
            let (vi, wi) = (2.0 * v[i], 2.0 * w[i]);
            for (x, (vj, wj)) in a[row(i)..][..m].iter_mut().zip(v.iter().zip(&w)) {
                *x -= vi * wj + wi * vj;
            }
        }
    }
    if n > 1 {
        beside[n - 2] = a[(n - 1) * n + n - 2];
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// The first `count` eigenvectors of a symmetric matrix `[n, n]` without negative eigenvalues, by orthogonal iteration
/// from a fixed start: `[count, n]`, each of length 1, its largest component positive. Where two eigenvalues are equal, any
/// turn within their plane is one answer. Rows are 0 where the matrix has no more directions.
pub fn leading_vectors(matrix: &[f64], n: usize, count: usize) -> Vec<Vec<f64>> {
    // A start without symmetry, or it could miss a direction.
    let start = |which: usize| {
        (0..n)
            .map(|i| libm::cos(((which + 1) * (i + 1)) as f64 + 0.3 * i as f64))
            .collect()
    };
    let mut vectors: Vec<Vec<f64>> = (0..count).map(start).collect();
    let trace: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
    for _ in 0..MOST_ITERATIONS {
        let images = super::rows::map(n, |i| {
            let row = &matrix[i * n..][..n];
            vectors
                .iter()
                .map(|v| row.iter().zip(v).map(|(x, y)| x * y).sum::<f64>())
                .collect::<Vec<_>>()
        });
        let mut next: Vec<Vec<f64>> = (0..count)
            .map(|which| images.iter().map(|r| r[which]).collect())
            .collect();
        orthonormalise(&mut next, 1e-12 * trace);
        let moved = vectors
            .iter()
            .zip(&next)
            .map(|(a, b)| 1.0 - a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>().abs());
        let moved = moved.fold(0.0, f64::max);
        vectors = next;
        if moved < 1e-12 {
            break;
        }
    }
    for vector in &mut vectors {
        let largest = vector
            .iter()
            .copied()
            .fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
        if largest < 0.0 {
            vector.iter_mut().for_each(|x| *x = -*x);
        }
    }
    vectors
}

/// Enough for colours; more for eigenvalues that are nearly equal, where the answer hardly matters.
const MOST_ITERATIONS: usize = 300;

/// Gram and Schmidt; what is shorter than `least` has no direction of its own and becomes 0.
fn orthonormalise(vectors: &mut [Vec<f64>], least: f64) {
    for i in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(i);
        for _ in 0..2 {
            for other in before.iter() {
                let inner: f64 = other.iter().zip(&rest[0]).map(|(x, y)| x * y).sum();
                rest[0].iter_mut().zip(other).for_each(|(x, y)| *x -= inner * y);
            }
        }
        let length = rest[0].iter().map(|x| x * x).sum::<f64>().sqrt();
        let scale = if length > least { 1.0 / length } else { 0.0 };
        rest[0].iter_mut().for_each(|x| *x *= scale);
    }
}
