//! Device, memory, pipelines and the recording of dispatches. Knows nothing of tensors' meaning.

mod device;
mod kernel;
mod memory;
mod readback;
mod recorder;
mod repeat;
mod timing;
mod tuned;
mod units;

pub use device::{AdapterChoice, Gpu, Kind, Options, Trouble, VARIANTS, adapters};
pub use kernel::{Access, Build, Kernel, Shared};
pub use memory::{View, too_much};
pub use readback::Readback;
pub use recorder::{Cost, Grid, MOST_WORKGROUPS, OWN_BYTES, Recorder};
pub use timing::{Label, Timed};
pub use tuned::{Product, Tuned};
pub use units::{Units, UnitsChoice, WIDTHS};
