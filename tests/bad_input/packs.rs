//! Packed sets that are not as they were written.

use super::refused;
use super::tiny::{place, succeeds, tiny};
use std::path::Path;

/// The arguments of a tiny run on a packed set, and the bytes of one.
fn set(place: &Path) -> (Vec<&'static str>, Vec<u8>) {
    succeeds(place, &["pack", "photos", "set"]);
    let all = tiny("out", "9", &[]);
    let arguments = all.into_iter().map(|word| if word == "photos" { "set" } else { word });
    (arguments.collect(), std::fs::read(place.join("set")).unwrap())
}

#[test]
fn a_packed_set_that_is_cut_or_damaged_is_refused() {
    let place = place();
    let (arguments, whole) = set(place.path());
    let cut =
        "set is a packed set that is damaged: it has no end, so that it was probably cut short; pack the images again";
    let mut index = whole.clone();
    index[whole.len() - 100] ^= 1;
    let mut version = whole.clone();
    version[12] = 7;
    for (bytes, wanted) in [
        (&whole[..whole.len() - 1], cut),
        (&whole[..whole.len() / 2], cut),
        (&whole[..20], cut),
        (&whole[..13], "it ends within its first bytes"),
        (
            &whole[..4],
            "set is neither a folder nor a tar of images, nor a packed set",
        ),
        (&index, "the checksum of its index is wrong"),
        (
            &version,
            "set is a packed set of version 7, and this ijepa reads version 1",
        ),
    ] {
        std::fs::write(place.path().join("set"), bytes).unwrap();
        refused(place.path(), 2, &arguments, wanted);
    }
}

#[test]
fn a_damaged_image_in_a_packed_set_is_skipped_and_named() {
    let place = place();
    let (arguments, mut bytes) = set(place.path());
    bytes[16 + 3 * 3072 + 5] ^= 1; // in the fourth of its images, all of 32 x 32 pixels
    std::fs::write(place.path().join("set"), bytes).unwrap();
    let said = succeeds(place.path(), &arguments);
    assert!(
        said.contains("skipped 1 of 44 files in ") && said.contains("class 0/14.png is damaged: its checksum is wrong"),
        "{said}"
    );
}
