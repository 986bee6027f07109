/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `train/`; what training reads and probes are fitted on.
    Train,
    /// `test/`, or `val/` where there is no `test/`; what probes are scored on.
    Test,
}
