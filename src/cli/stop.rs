//! Ctrl-C: asks a run to save and stop; ends the process where no run is under way, and when it comes again.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a shell reports of a command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// How often a thread looks at the flag.
const OFTEN: Duration = Duration::from_millis(20);

/// Whether someone asked to stop.
#[derive(Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From here on Ctrl-C and SIGTERM set the flag; whoever is asked again does not wait any longer. SIGHUP is left as it
    /// was found: `nohup` has it ignored, and a run that it ends goes on from its last checkpoint, bit for bit.
    pub fn listen(&self) {
        // A file that grows beyond a limit of the system is an error to report, not an end without a word.
        #[cfg(unix)]
        let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, the second one finds it up. Where a signal can't be
            // caught, it ends the process as ever.
            let _ = flag::register_conditional_shutdown(signal, INTERRUPTED, self.0.clone());
            let _ = flag::register(signal, self.0.clone());
        }
    }

    /// From here on Ctrl-C and SIGTERM have `last` done, and end the process.
    pub fn ends_after(last: impl FnOnce() + Send + 'static) {
        let stop = Stop::default();
        stop.listen();
        let wait = move || {
            while !stop.0.load(Ordering::SeqCst) {
                std::thread::sleep(OFTEN);
            }
            last();
            std::process::exit(INTERRUPTED);
        };
        // Without a thread the next signal ends the process.
        let _ = std::thread::Builder::new().spawn(wait);
    }

    /// What a training loop looks at.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Nobody looks at the flag any more: the next signal ends the process at once. Whether one has come already.
    pub fn over(&self) -> bool {
        self.0.swap(true, Ordering::SeqCst)
    }
}
