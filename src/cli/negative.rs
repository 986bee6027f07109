//! Negative numbers after a space: `--steps -1` is a wrong number of steps, and no option that is called `-1`. Options that take sizes
//! such as `-1x5`, which is no number, have `allow_hyphen_values` themselves.

use clap::{Arg, Command};
use std::any::TypeId;
use std::path::PathBuf;

/// Has every option of this command, and of those below it, read a negative number and say itself what is wrong with it, but for
/// those that take a name or a path.
pub fn read(command: Command) -> Command {
    let is_name = |arg: &Arg| {
        let kind = arg.get_value_parser().type_id();
        kind == TypeId::of::<String>() || kind == TypeId::of::<PathBuf>()
    };
    command
        .mut_args(|arg| match arg.get_action().takes_values() && !is_name(&arg) {
            true => arg.allow_negative_numbers(true),
            false => arg,
        })
        .mut_subcommands(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    /// The words that lead to each command, and each command.
    fn all(command: &Command, words: &[String], to: &mut Vec<(Vec<String>, Command)>) {
        let words = [words, &[command.get_name().to_string()]].concat();
        command.get_subcommands().for_each(|below| all(below, &words, to));
        to.push((words, command.clone()));
    }

    /// By what they do: an option that refuses a word, and names no words that it takes, wants numbers of some kind.
    #[test]
    fn every_option_that_wants_a_number_is_told_of_a_negative_one() {
        let whole = read(super::super::Cli::command());
        let mut commands = vec![];
        all(&whole, &[], &mut commands);
        let mut tried = vec![];
        for (words, command) in commands {
            for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
                let Some(long) = arg.get_long() else { continue };
                let given = |more: &[String]| whole.clone().try_get_matches_from([&words[..], more].concat());
                let word = given(&[format!("--{long}=word")]);
                let refused = word.is_err_and(|e| e.kind() == ErrorKind::ValueValidation);
                if !refused || !arg.get_possible_values().is_empty() {
                    continue;
                }
                let name = format!("{} --{long}", words.join(" "));
                for value in ["-1", "-0.5", "-1e9"] {
                    if let Err(e) = given(&[format!("--{long}"), value.to_string()]) {
                        assert_ne!(e.kind(), ErrorKind::UnknownArgument, "{name} {value}: {e}");
                    }
                }
                tried.push(name);
            }
        }
        for wanted in [
            "ijepa train --batch",
            "ijepa bench --memory",
            "ijepa search query --most",
        ] {
            assert!(tried.iter().any(|name| name == wanted), "{tried:?}");
        }
        assert!(tried.len() > 100, "{tried:?}");
    }
}
