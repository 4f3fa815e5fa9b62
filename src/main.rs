//! `yett`: arguments in, exit code out.

use std::process::ExitCode;

/// A call makes some hundred short-lived allocations on several threads; this allocator takes a tenth of the CPU of a call less than
/// the system's, for some ten MiB more of memory (benches/load).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    yett::commands::run()
}
