//! Panics of other people's code that are no news to the user.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is expected and becomes a reason of its own.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call`; `None` if it panicked, of which nothing is written to standard error. Panics of all other code, on this
/// thread and others, are told as ever.
///
/// The process has one panic hook for all threads: the first call puts one in front of what is there, for good.
pub fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                told(panic);
            }
        }));
    });
    let outer = EXPECTED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    EXPECTED.set(outer);
    result.ok()
}
