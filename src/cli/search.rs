//! `ijepa search`: images found by likeness.

mod cluster;
mod duplicates;
mod index;
mod place;
mod query;
mod sheet;

use ijepa::Result;

/// Find images by what they show: an index of a folder, what is like an image, what is there twice, what belongs together.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Index(index::Args),
    Query(query::Args),
    Duplicates(duplicates::Args),
    Cluster(cluster::Args),
}

const AFTER: &str = "\
example: ijepa search index photos --weights runs/first  makes its index
         ijepa search query cat.jpg --html found.html    what is most like it
         ijepa search duplicates                         the same picture twice
         ijepa search cluster --html clusters.html       what belongs together";

pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Index(args) => index::run(args),
        What::Query(args) => query::run(args),
        What::Duplicates(args) => duplicates::run(args),
        What::Cluster(args) => cluster::run(args),
    }
}
