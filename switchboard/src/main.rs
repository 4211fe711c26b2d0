//! Starts; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::run(std::env::args_os())
}
