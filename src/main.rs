//! `ijepa`: arguments in, exit code out. What the commands do is in `cli`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
