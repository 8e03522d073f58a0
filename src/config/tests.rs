use super::{Config, ConfigError, Environment};

#[cfg(feature = "acme")]
mod acme;
mod defaults;
mod environment;
mod own;
mod robust;
mod search;
mod settings;
mod tls;
mod units;
mod wrong;

/// Reads a text that is called `m.yaml`, in an empty environment.
fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_in(text, &[])
}

fn parse_in(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment: Environment = variables.iter().copied().collect();
    Config::parse(text, "m.yaml", &environment)
}

/// What is said about a wrong text.
fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
    match parse_in(text, variables) {
        Ok(_) => format!("nothing is wrong with {text:?}"),
        Err(error) => error.to_string(),
    }
}
