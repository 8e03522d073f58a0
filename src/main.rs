//! The program: arguments → one function per subcommand → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    maiasaura::cli::main()
}
