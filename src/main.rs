//! `yett`: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    yett::commands::run()
}
