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

/// `each(f(0)), each(f(1)), ...` on this thread, in this order, while all threads compute ahead of it: of what has no end in
/// memory, only two results for each thread are held. Ends with `each`'s first error.
#[cfg(feature = "native")]
pub fn in_order<T: Send, E>(
    n: usize,
    f: impl Fn(usize) -> T + Sync,
    mut each: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, sync_channel};
    let (f, most) = (&f, 2 * rayon::current_num_threads());
    rayon::in_place_scope_fifo(|scope| {
        let mut ahead: VecDeque<Receiver<T>> = VecDeque::new();
        let mut next = 0;
        while next < n || !ahead.is_empty() {
            while next < n && ahead.len() < most {
                let (send, made) = sync_channel(1);
                let index = next;
                scope.spawn_fifo(move |_| drop(send.send(f(index))));
                ahead.push_back(made);
                next += 1;
            }
            // Nothing is sent by what panicked: the scope passes its panic on.
            if let Some(Ok(result)) = ahead.pop_front().map(|made| made.recv()) {
                each(result)?;
            }
        }
        Ok(())
    })
}
