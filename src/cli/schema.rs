//! `maiasaura schema mysql`: the table that rows go into.

use super::{Loaded, Outcome};

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 printed or applied, 69 the database cannot be reached or has refused, or a column is left that cannot have what is written, 78 configuration."
)]
pub(super) struct Schema {
    /// Of what.
    #[arg(value_parser = ["mysql"])]
    of: String,

    /// Do it: make the table, or bring the one that is there up to date.
    #[arg(long)]
    apply: bool,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, schema: &Schema) -> Outcome {
    let (config, _) = load()?;
    outcome(&config, schema.apply)
}

#[cfg(feature = "mysql")]
fn outcome(config: &crate::config::Config, apply: bool) -> Outcome {
    super::mysql::schema(config, apply)
}

#[cfg(not(feature = "mysql"))]
fn outcome(_: &crate::config::Config, _: bool) -> Outcome {
    let message = "MySQL is not in this build: build with `--features mysql`";
    Err(super::Fault::new(super::Exit::Config, message))
}
