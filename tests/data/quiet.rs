//! Panics that are caught without a word. The message goes to standard error, so a process of its own is looked at.

use std::process::Command;

use ijepa::data::quiet::caught;

const CHILD: &str = "IJEPA_TEST_PANICS";

#[test]
fn only_panics_that_are_expected_are_silent() {
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(caught(|| 3), Some(3));
        assert_eq!(caught(|| -> u8 { panic!("unheard 1") }), None);
        let nested = || {
            assert_eq!(caught(|| -> u8 { panic!("unheard 2") }), None);
            panic!("unheard 3");
        };
        assert_eq!(caught(nested), None::<u8>);
        // While one thread is quiet, and once it has been, others are heard.
        caught(|| {
            std::thread::spawn(|| panic!("another thread's, told"))
                .join()
                .unwrap_err()
        });
        panic!("the last, told");
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "quiet::only_panics_that_are_expected_are_silent",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(
        text.contains("another thread's, told") && text.contains("the last, told"),
        "{text}"
    );
    assert!(!text.contains("unheard"), "{text}");
}
