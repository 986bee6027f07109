//! Disks without room. A small disk can be made by the administrator alone; where the tests run as somebody else, the
//! library's own question about room is all that is asked (its test stands beside it).

use super::tiny::{fails, names, place, snapshot, tiny};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A disk of its own of so many KiB, taken away with the value.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path, kib: u32) -> Option<Disk> {
        std::fs::create_dir(at).unwrap();
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(at)
            .stderr(Stdio::null());
        mount
            .status()
            .is_ok_and(|status| status.success())
            .then(|| Disk(at.to_path_buf()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_without_room_for_a_checkpoint_is_refused_before_anything_is_written() {
    let place = place();
    let Some(disk) = Disk::new(&place.path().join("disk"), 64) else {
        let error = ijepa::train::folder::room(place.path(), u64::MAX, "one checkpoint takes").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        return;
    };
    let message = fails(place.path(), 2, &tiny("disk/run", "50", &[]));
    assert!(
        message.contains("disk/run has 64 KiB free, but ") && message.contains("make room, or choose another --out"),
        "{message}"
    );
    assert_eq!(names(&disk.0), Vec::<String>::new());
}

#[test]
fn a_disk_that_fills_up_on_the_way_keeps_the_last_checkpoint() {
    let place = place();
    let Some(disk) = Disk::new(&place.path().join("disk"), 1024) else {
        return; // What is asked of a disk before a run has its test above; filling one takes a disk.
    };
    let keep = [
        "--set",
        "logging.keep_checkpoints=2",
        "--set",
        "logging.checkpoint_every=2",
    ];
    super::tiny::succeeds(place.path(), &tiny("disk/run", "6", &keep));
    let saved =
        ["latest.safetensors", "step-6.safetensors"].map(|name| std::fs::read(disk.0.join("run").join(name)).unwrap());
    // Somebody else takes nearly all that is left: the first checkpoint fits by the account, the tables beside it do not.
    let free = fs_free(&disk.0);
    std::fs::write(disk.0.join("other"), vec![1u8; free - 108 * 1024]).unwrap();
    let message = fails(place.path(), 1, &["train", "--resume", "disk/run", "--steps", "2000"]);
    assert!(message.contains("disk/run/") && message.contains("space"), "{message}");
    let after = snapshot(&disk.0.join("run"));
    let latest = &after[&disk.0.join("run/latest.safetensors")];
    assert!(
        ijepa::model::weights::read(latest, "latest").is_ok(),
        "the last checkpoint is whole"
    );
    assert!(
        !after.keys().any(|name| name.ends_with(".safetensors.tmp")),
        "half a checkpoint helps nobody"
    );
    assert!(saved[0] == saved[1]);
    // With room again the run goes on.
    std::fs::remove_file(disk.0.join("other")).unwrap();
    super::tiny::succeeds(place.path(), &["train", "--resume", "disk/run", "--steps", "600"]);
}

fn fs_free(path: &Path) -> usize {
    let output = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().last().unwrap().trim().parse().unwrap()
}
