//! Work that falls into parts: done by all threads where there are threads, with the same result.

/// `f(0), f(1), ..., f(n - 1)`, each computed by itself, so that the number of threads changes nothing.
pub fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "native")]
    {
        use rayon::prelude::*;
        (0..n).into_par_iter().map(f).collect()
    }
    #[cfg(not(feature = "native"))]
    {
        (0..n).map(f).collect()
    }
}
