//! `maiasaura explain ADDRESS`: which rule matches, and where mail goes.

use super::address::forward_path;
use super::{Exit, Fault, Loaded, Outcome, say};
use crate::daemon::Daemon;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 mail for it is taken, 64 wrong arguments, 67 it is refused, 78 configuration."
)]
pub(super) struct Explain {
    /// The address of a recipient, as in RCPT.
    address: String,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Explain) -> Outcome {
    let (config, source) = load()?;
    let (validate, save) = (config.validate.join(" | "), config.save.join(" | "));
    let path = forward_path(&arguments.address)?;
    let from = source.name().to_owned();
    let service = Daemon::from_source(config, source).service()?;
    let mut explanation = service.recipients.explain(&path);
    // A source of users has the last word.
    explanation.outcome = smol::block_on(service.recipients.find(&path));
    say(explanation.to_string().trim_end());
    say(&format!("validate: {validate}"));
    say(&format!("save: {save}"));
    say(&format!("configuration: {from}"));
    match &explanation.outcome {
        Ok(_) => Ok(()),
        Err(failure) => Err(Fault::new(Exit::from(failure), "")),
    }
}
