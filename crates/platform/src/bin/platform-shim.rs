//! The shim alone, for tests and for places where the whole program is not at hand.
//!
//! Usage: `platform-shim UNITS`. The program itself offers the same as `mainspan unit UNITS`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().next_back() {
        Some(dir) => platform::shim::main(Path::new(&dir)),
        None => ExitCode::FAILURE,
    }
}
