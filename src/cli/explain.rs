//! `maiasaura explain ADDRESS`: which rule matches, and where mail goes.

use super::{Exit, Fault, Loaded, Outcome, say};
use crate::daemon::Daemon;
use crate::smtp::address::ForwardPath;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The address of a recipient, as in RCPT.
    address: String,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Explain) -> Outcome {
    let (config, source) = load()?;
    let (validate, save) = (config.validate.join(" | "), config.save.join(" | "));
    let address = arguments
        .address
        .trim_start_matches('<')
        .trim_end_matches('>');
    let Ok((path, "")) = ForwardPath::parse(&format!("<{address}>")) else {
        let message = format!("{address}: not an address; write local-part@domain");
        return Err(Fault::new(Exit::Usage, message));
    };
    let from = source.name().to_owned();
    let service = Daemon::from_source(config, source).service()?;
    say(service.recipients.explain(&path).to_string().trim_end());
    say(&format!("validate: {validate}"));
    say(&format!("save: {save}"));
    say(&format!("configuration: {from}"));
    Ok(())
}
