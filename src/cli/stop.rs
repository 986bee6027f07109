//! Ctrl-C, the end of a session and a terminal that is closed: each asks a run to save and stop, and ends the process where no run
//! is under way; Ctrl-C does so, too, when it comes again. Whoever ends the process here leaves no half-made file.

use super::draft;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What a shell reports of a command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// How often a thread looks at the flag.
const OFTEN: Duration = Duration::from_millis(20);

/// Whether a command listens.
static HEARD: AtomicBool = AtomicBool::new(false);
/// Listens from the first file that is made until a command does.
static EARLY: OnceLock<Stop> = OnceLock::new();

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
        HEARD.store(true, Ordering::SeqCst);
        self.register();
        // What came before is heard, too.
        let early = EARLY
            .get()
            .is_some_and(|early| early.asked.swap(false, Ordering::SeqCst));
        self.asked.fetch_or(early, Ordering::SeqCst);
    }

    fn register(&self) {
        // A file that grows beyond a limit of the system is an error to report, not an end without a word.
        #[cfg(unix)]
        let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
        let now = ends_now();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, the second one finds it up. Where a signal can't be
            // caught, it ends the process as ever.
            again(signal, &self.asked, &now);
            let _ = flag::register(signal, self.asked.clone());
        }
        #[cfg(unix)]
        if !hangups_are_ignored() {
            use signal_hook::consts::SIGHUP;
            again(SIGHUP, &self.over, &now);
            let _ = flag::register(SIGHUP, self.asked.clone());
        }
    }

    /// From here on such a signal has `last` done, and ends the process where that says so; else it ends by itself.
    pub fn ends_after(last: impl FnOnce() -> bool + Send + 'static) {
        let stop = Stop::default();
        stop.listen();
        stop.once_asked(last);
    }

    /// Such a signal ends the process without a half-made file left, until a command listens.
    pub fn is_heard() {
        if HEARD.load(Ordering::SeqCst) {
            return;
        }
        EARLY.get_or_init(|| {
            let stop = Stop::default();
            stop.register();
            stop.once_asked(|| !HEARD.load(Ordering::SeqCst));
            stop
        });
    }

    /// Has a thread wait for the flag and then do `last`, which says whether the process ends.
    fn once_asked(&self, last: impl FnOnce() -> bool + Send + 'static) {
        let asked = self.asked.clone();
        let wait = move || {
            while !asked.load(Ordering::SeqCst) {
                std::thread::sleep(OFTEN);
            }
            if last() {
                draft::none_stay();
                // At once: the driver may be at work, and what is undone at a usual end would be taken from under it.
                low_level::exit(INTERRUPTED);
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

/// A flag that ends the process once it is up, in a thread that may lock and remove what a signal's handler may not. `None`
/// without a thread.
fn ends_now() -> Option<Arc<AtomicBool>> {
    let now = Arc::new(AtomicBool::new(false));
    let flag = now.clone();
    let wait = move || {
        while !flag.load(Ordering::SeqCst) {
            std::thread::sleep(OFTEN);
        }
        draft::none_stay();
        low_level::exit(INTERRUPTED);
    };
    std::thread::Builder::new().spawn(wait).is_ok().then_some(now)
}

/// Has a signal that finds the flag `up` end the process: by `now`, and at once where that is up already (a file system may
/// hang).
fn again(signal: i32, up: &Arc<AtomicBool>, now: &Option<Arc<AtomicBool>>) {
    let Some(now) = now else {
        let _ = flag::register_conditional_shutdown(signal, INTERRUPTED, up.clone());
        return;
    };
    let _ = flag::register_conditional_shutdown(signal, INTERRUPTED, now.clone());
    let (up, now) = (up.clone(), now.clone());
    let tell = move || {
        now.fetch_or(up.load(Ordering::SeqCst), Ordering::SeqCst);
    };
    // Sound: atomics are all that it touches.
    let _ = unsafe { low_level::register(signal, tell) };
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
