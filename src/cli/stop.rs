//! Ctrl-C, the end of a session and a terminal that is closed: each asks a run to save and stop, and ends the process where no run
//! is under way; Ctrl-C does so, too, when it comes again.

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
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// Nobody looks any more.
    over: Arc<AtomicBool>,
}

impl Stop {
    /// From here on Ctrl-C, SIGTERM and SIGHUP set the flag; whoever is asked again by the former two does not wait any longer.
    /// (Of a closed terminal both the system and the shell tell: the second SIGHUP is no second wish.) SIGHUP stays ignored
    /// where it is, as by `nohup`.
    pub fn listen(&self) {
        // A file that grows beyond a limit of the system is an error to report, not an end without a word.
        #[cfg(unix)]
        let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, the second one finds it up. Where a signal can't be
            // caught, it ends the process as ever.
            let _ = flag::register_conditional_shutdown(signal, INTERRUPTED, self.asked.clone());
            let _ = flag::register(signal, self.asked.clone());
        }
        #[cfg(unix)]
        if !hangups_are_ignored() {
            use signal_hook::consts::SIGHUP;
            let _ = flag::register_conditional_shutdown(SIGHUP, INTERRUPTED, self.over.clone());
            let _ = flag::register(SIGHUP, self.asked.clone());
        }
    }

    /// From here on such a signal has `last` done, and ends the process where that says so; else it ends by itself.
    pub fn ends_after(last: impl FnOnce() -> bool + Send + 'static) {
        let stop = Stop::default();
        stop.listen();
        let wait = move || {
            while !stop.flag().load(Ordering::SeqCst) {
                std::thread::sleep(OFTEN);
            }
            if last() {
                std::process::exit(INTERRUPTED);
            }
        };
        // Without a thread the next signal ends the process.
        let _ = std::thread::Builder::new().spawn(wait);
    }

    /// What a training loop looks at.
    pub fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// Nobody looks at the flag any more: the next signal ends the process at once. Whether one has come already.
    pub fn over(&self) -> bool {
        self.over.store(true, Ordering::SeqCst);
        self.asked.swap(true, Ordering::SeqCst)
    }
}

/// Whether whoever started this process has SIGHUP ignored.
#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    let mut found = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // Sound: without a new action the call changes nothing, and where it returns 0 it has filled in the one that there is.
    unsafe {
        libc::sigaction(libc::SIGHUP, std::ptr::null(), found.as_mut_ptr()) == 0
            && found.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
