//! `ijepa visualize`: what an encoder sees, as pictures.

pub mod attention;
mod embedding;
pub mod look;
pub mod masks;
mod pca;
mod predict;
mod similarity;

use super::print;
use super::sheet::{Ground, Sheet, paint};
use super::write;
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};

/// Draw what an encoder sees: its features as colours, attention, likeness, expectations, masks, or a map of a data set.
#[derive(clap::Args)]
#[command(arg_required_else_help = true, after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

const AFTER: &str = "\
example: ijepa visualize pca --weights runs/first dog.jpg cat.jpg --out pca.png
         ijepa visualize attention --weights runs/first dog.jpg --size 128 \\
           --out attention.png
         ijepa visualize embedding --weights runs/first photos.tar --out map.png";

#[derive(clap::Subcommand)]
enum What {
    Pca(pca::Args),
    Attention(attention::Args),
    Similarity(similarity::Args),
    Predict(predict::Args),
    Masks(masks::Args),
    Embedding(embedding::Args),
}

pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Pca(args) => pca::run(args),
        What::Attention(args) => attention::run(args),
        What::Similarity(args) => similarity::run(args),
        What::Predict(args) => predict::run(args),
        What::Masks(args) => masks::run(args),
        What::Embedding(args) => embedding::run(args),
    }
}

/// Where a picture goes.
#[derive(clap::Args)]
pub struct Out {
    /// Picture to write, a .png or an .svg; must not be there
    #[arg(long, value_name = "F.png")]
    out: PathBuf,
}

impl Out {
    /// Refuses what can't be written, before anything is computed.
    fn check(&self) -> Result<()> {
        if self.format().is_none() {
            return Err(Error::usage(format!(
                "--out {}: the picture is a PNG or an SVG: end its name with .png or .svg",
                self.out.display()
            )));
        }
        write::vacant(&self.out)?;
        let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty());
        match folder.unwrap_or(Path::new(".")) {
            folder if folder.is_dir() => Ok(()),
            folder => Err(Error::usage(format!(
                "--out {}: there is no folder {}",
                self.out.display(),
                folder.display()
            ))),
        }
    }

    fn format(&self) -> Option<bool> {
        let end = self.out.extension()?;
        match (end.eq_ignore_ascii_case("png"), end.eq_ignore_ascii_case("svg")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    fn save(&self, sheet: &Sheet, what: &str) -> Result<()> {
        let bytes = match self.format() {
            Some(false) => sheet.svg(Ground::Paper)?.into_bytes(),
            _ => paint::png(&sheet.pixels()?)?,
        };
        write::new(&self.out, &bytes)?;
        print(&format!("wrote {}: {what}\n", self.out.display()))
    }
}
