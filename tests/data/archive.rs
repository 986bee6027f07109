//! What a tar holds besides files: links, which are followed as in a folder, and headers that tell of the archive itself.

use ijepa::data::Split::{Test, Train};
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::source::Dataset;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use crate::source::{folder, names, open, png};

/// An archive that is written member by member.
struct Packer(Builder<Vec<u8>>);

impl Packer {
    fn new() -> Self {
        Packer(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mode(0o755);
        header
    }

    fn add(mut self, kind: EntryType, name: &str, bytes: &[u8]) -> Self {
        let mut header = Self::header(kind, bytes.len());
        self.0.append_data(&mut header, name, bytes).unwrap();
        self
    }

    fn png(self, name: &str, side: u32) -> Self {
        self.add(EntryType::Regular, name, &png(side))
    }

    fn link(mut self, kind: EntryType, name: &str, target: &str) -> Self {
        let mut header = Self::header(kind, 0);
        self.0.append_link(&mut header, name, target).unwrap();
        self
    }

    /// Opened, and the folder that it lies in.
    fn open(self) -> (Dataset, TempDir) {
        let root = folder([("a.tar", self.0.into_inner().unwrap())]);
        (open(&root.path().join("a.tar"), Train).unwrap(), root)
    }
}

#[test]
fn headers_of_the_whole_archive_are_no_files() {
    let comment = b"52 comment=0123456789012345678901234567890123456789\n";
    let (data, _root) = Packer::new()
        .add(EntryType::XGlobalHeader, "pax_global_header", comment)
        .add(EntryType::new(b'V'), "holidays", b"")
        .png("1.png", 4)
        .open();
    assert_eq!((data.len(), data.bad().count()), (1, 0));
}

#[test]
fn links_in_an_archive_are_followed() {
    let mut packer = Packer::new();
    for i in 10..40 {
        packer = packer.png(&format!("store/{i}.png"), i);
    }
    let (data, root) = packer
        .link(EntryType::Link, "train/cat/hard.png", "./store/11.png")
        .link(EntryType::Symlink, "train/cat/soft.png", "../../store/12.png")
        .link(EntryType::Symlink, "train/dog/again.png", "../cat/soft.png")
        .link(EntryType::Symlink, "train/dog/through.png", "../../everything/13.png")
        .link(EntryType::Link, "test/cat/0.png", "store/14.png")
        .link(EntryType::Symlink, "everything", "store/")
        .link(EntryType::Link, "store/10.png", "store/10.png") // a member that is its own link stays
        .open();
    assert_eq!(
        names(&data),
        [
            "train/cat/hard.png",
            "train/cat/soft.png",
            "train/dog/again.png",
            "train/dog/through.png"
        ]
    );
    let width = |index| data.image(index).unwrap().width;
    assert_eq!([width(0), width(1), width(2), width(3)], [11, 12, 12, 13]);
    assert_eq!(data.labels(), Some([0, 0, 1, 1].as_slice()));
    assert_eq!(
        open(&root.path().join("a.tar"), Test).unwrap().image(0).unwrap().width,
        14
    );
}

#[test]
fn a_link_to_a_folder_shows_what_is_in_it() {
    let mut packer = Packer::new();
    for i in 10..30 {
        packer = packer.png(&format!("real/{i}.png"), 4);
    }
    let (data, root) = packer
        .png("other/deep/1.png", 7)
        .link(EntryType::Symlink, "other/up", "../real") // a link within what a link shows
        .link(EntryType::Symlink, "linked", "other")
        .add(EntryType::Directory, "nothing/", b"")
        .link(EntryType::Symlink, "empty", "nothing")
        .open();
    assert_eq!(data.class_names(), ["linked", "other", "real"]);
    assert_eq!((data.len(), data.bad().count()), (20 + 21 + 21, 0));
    assert!(names(&data).contains(&"linked/deep/1.png".to_string()));
    assert!(names(&data).contains(&"linked/up/29.png".to_string()));
    let all = Dataset::open_all(root.path().join("a.tar").to_str().unwrap(), 0, MAX_PIXELS).unwrap();
    assert_eq!((names(&all).len(), all.bad().count()), (21, 0));
    assert!(
        names(&all)
            .iter()
            .all(|name| name.starts_with("real/") || name == "other/deep/1.png")
    );
}

#[test]
fn links_that_lead_nowhere_are_skipped_and_named() {
    let mut packer = Packer::new();
    for i in 10..90 {
        packer = packer.png(&format!("a/{i}.png"), 4);
    }
    let (data, _root) = packer
        .link(EntryType::Symlink, "a/absolute.png", "/elsewhere/1.png")
        .link(EntryType::Link, "a/gone.png", "a/1.png")
        .link(EntryType::Symlink, "a/loop.png", "loop.png")
        .link(EntryType::Symlink, "a/out.png", "../../1.png")
        .link(EntryType::Symlink, "a/top", "..")
        .link(EntryType::Symlink, "a/.#lock", "someone@somewhere") // an editor's: no more than other dot files
        .open();
    let (nothing, above) = ("links to nothing in the archive", "links to a folder above it");
    let want = [
        ("a/absolute.png", nothing),
        ("a/gone.png", nothing),
        ("a/loop.png", nothing),
        ("a/out.png", nothing),
        ("a/top", above),
    ];
    assert_eq!(
        data.bad().list(),
        want.map(|(name, why)| (name.to_string(), why.to_string()))
    );
    assert_eq!(data.len(), 80);
}

/// Two folders that link to each other, and a chain of links without end.
#[test]
fn circles_of_links_end() {
    let mut packer = Packer::new();
    for i in 10..50 {
        packer = packer.png(&format!("a/{i}.png"), 4).png(&format!("b/{i}.png"), 4);
    }
    packer = packer
        .link(EntryType::Symlink, "a/b", "../b")
        .link(EntryType::Symlink, "b/a", "../a");
    for i in 0..3 {
        packer = packer.link(EntryType::Symlink, &format!("round/{i}"), &format!("{}", (i + 1) % 3));
    }
    let (data, _root) = packer.open();
    assert_eq!(data.len(), 160);
    let names: Vec<String> = data.bad().list().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a/b/a", "b/a/b", "round/0", "round/1", "round/2"]);
}
