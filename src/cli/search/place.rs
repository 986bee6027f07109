//! Where an index is, and how what was found is shown.

use super::sheet::{Section, Sheet};
use crate::cli::{print, write};
use ijepa::eval::search::file::{self, Settings};
use ijepa::eval::search::index::Index;
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};

/// Ending of an index's name.
pub const ENDING: &str = "ijepa-index";
/// Settings beside those of the encoder: where the weights and the images were.
pub const WEIGHTS: &str = "weights file";
pub const FOLDER: &str = "folder";

/// Which index is asked.
#[derive(clap::Args)]
pub struct IndexArgs {
    /// The index [default: the one *.ijepa-index file in this folder]
    #[arg(long, value_name = "F")]
    index: Option<PathBuf>,
}

/// An index that was read.
pub struct Found {
    pub path: PathBuf,
    pub index: Index,
    pub settings: Settings,
}

impl IndexArgs {
    /// Errors: usage, where there is none, or more than one to choose from, or it can't be read.
    pub fn read(&self) -> Result<Found> {
        let path = match &self.index {
            Some(path) => path.clone(),
            None => the_only_one()?,
        };
        match file::read(&path)? {
            Some((index, settings)) => Ok(Found { path, index, settings }),
            None => Err(Error::usage(format!(
                "there is no index {}: make it by `ijepa search index DIR --weights RUN`",
                path.display()
            ))),
        }
    }
}

fn the_only_one() -> Result<PathBuf> {
    let entries = std::fs::read_dir(".").map_err(|e| Error::usage(format!("this folder cannot be read: {e}")))?;
    let paths = entries.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == ENDING))
        .collect();
    paths.sort();
    match &paths[..] {
        [path] => Ok(path.clone()),
        [] => Err(Error::usage(
            "there is no *.ijepa-index file in this folder: make one by `ijepa search index DIR --weights RUN`, or name one by \
             --index F",
        )),
        [first, ..] => Err(Error::usage(format!(
            "there are {} *.ijepa-index files in this folder: name one by --index, such as --index {}",
            paths.len(),
            first.display()
        ))),
    }
}

impl Found {
    /// The folder of the images.
    pub fn folder(&self) -> &str {
        self.settings.get(FOLDER).map_or("", String::as_str)
    }

    pub fn name(&self, image: usize) -> &str {
        &self.index.items()[image].name
    }

    /// Where the image's file is; bytes that are no text as `\xff`.
    pub fn path_of(&self, image: usize) -> String {
        let path = self.index.items()[image].path();
        let mut name = String::new();
        for chunk in path.utf8_chunks() {
            name += chunk.valid();
            chunk
                .invalid()
                .iter()
                .for_each(|byte| name += &format!("\\x{byte:02x}"));
        }
        Path::new(self.folder()).join(name).display().to_string()
    }
}

/// As what the answer comes.
#[derive(clap::Args)]
pub struct ShowArgs {
    /// As one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Write a page with the images as well, which needs nothing beside itself; must not be there
    #[arg(long, value_name = "F.html")]
    html: Option<PathBuf>,
}

impl ShowArgs {
    /// Refuses a page that is there already, or can't be, before anything is computed.
    pub fn check(&self) -> Result<()> {
        match &self.html {
            Some(page) => vacant(page).and_then(|()| write::possible(page, OTHER)),
            None => Ok(()),
        }
    }

    /// Whether there will be a page.
    pub fn has_page(&self) -> bool {
        self.html.is_some()
    }

    /// Prints the answer, and writes the page.
    pub fn show(
        &self,
        text: &str,
        json: &serde_json::Value,
        sheet: impl FnOnce() -> (Sheet, Vec<Section>),
    ) -> Result<()> {
        if let Some(path) = &self.html {
            let (sheet, sections) = sheet();
            let page = sheet.render(&sections);
            // Another program may have been quicker.
            write::whole_where(path, page.as_bytes(), &|| vacant(path))?;
        }
        match self.json {
            true => print(&format!("{json}\n")),
            false => print(text),
        }
    }
}

const OTHER: &str = "name another file by --html";

fn vacant(page: &Path) -> Result<()> {
    match page.exists() {
        true => Err(Error::usage(format!("{} exists already: {OTHER}", page.display()))),
        false => Ok(()),
    }
}
