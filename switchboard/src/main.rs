//! Starts; everything else is in the library.

use std::process::ExitCode;

/// A send is a few hundred small allocations, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    switchboard::run(std::env::args_os())
}
