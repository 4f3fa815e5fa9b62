//! `yett`: arguments in, exit code out.

use std::process::ExitCode;

/// A call makes some hundred short-lived allocations, freed on other threads than their own; this allocator is made for that. It costs
/// some twenty MiB of memory more than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    yett::commands::run()
}
