//! Whole files, files that were cut or changed, and what the fuzzers found worth keeping (`tools/fuzz`, tests/fuzz/corpus) go
//! through every reader: nothing panics.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::io::Read;
use std::path::Path;
use targets::{TARGETS, Target, searchable, seed};

/// How many changed files each reader gets.
const CHANGED: usize = 40;

fn reads((name, target): Target, what: &str, bytes: &[u8]) {
    let ended = std::panic::catch_unwind(|| target(bytes));
    assert!(ended.is_ok(), "{name}: its reader panicked at {what}");
}

#[test]
fn the_index_that_fuzzing_begins_with_is_read_with_its_graph() {
    let index = searchable(&seed("search")).expect("an index");
    assert!(index.len() == 8 && index.has_graph());
    let row = index.row(3).to_vec();
    assert_eq!(index.nearest(&row, 8).len(), 8, "all of them");
}

#[test]
fn no_kept_file_makes_a_reader_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for target in TARGETS {
        let kept = corpus.join(format!("{}.tar", target.0));
        let mut files = 0;
        for entry in tar::Archive::new(std::fs::File::open(&kept).unwrap())
            .entries()
            .unwrap()
        {
            let mut entry = entry.unwrap();
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).unwrap();
            reads(target, &entry.path().unwrap().display().to_string(), &bytes);
            files += 1;
        }
        assert!(files > 10, "{files} files in {}", kept.display());
    }
}

#[test]
fn nothing_that_is_done_to_a_file_makes_its_reader_panic() {
    for target in TARGETS {
        let whole = seed(target.0);
        reads(target, "a whole file", &whole);
        for i in 0..CHANGED {
            let at = (i * 2_654_435_761) % whole.len();
            let mut changed = whole.clone();
            changed[at] ^= 1 << (i % 8);
            reads(target, &format!("a flipped bit of byte {at}"), &changed);
            reads(target, &format!("an end at byte {at}"), &whole[..at]);
            changed.splice(at..at, whole[at..whole.len().min(at + 16)].to_vec());
            reads(target, &format!("bytes repeated at {at}"), &changed);
        }
    }
}
