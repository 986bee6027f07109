//! `seeds FOLDER`: writes what each fuzz target begins with below a folder.

use ijepa_fuzz::{TARGETS, seed};
use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("the folder for seeds"));
    for (name, _) in TARGETS {
        std::fs::create_dir_all(folder.join(name)).expect("a folder");
        std::fs::write(folder.join(name).join("whole"), seed(name)).expect("a seed");
    }
}
