//! MySQL on the command line: the table, and whether all is as the configuration wants it.

use std::net::IpAddr;

use super::{Exit, Fault, Outcome, say};
use crate::config::{Config, Handover, MysqlConfig};
use crate::daemon::sole_store;
use crate::mysql::{Database, Endpoint, Question, Settings, Survey, Tls, create};
use crate::recipients::Users;
use crate::smtp::address::Domain;

/// The processor that goes to Redis as well.
const BOTH: &str = "GuerrillaDbRedis";

/// Prints what makes the table, or brings it up to date, and with `apply` does so.
pub(super) fn schema(config: &Config, apply: bool) -> Outcome {
    let fault = |message: String| Fault::new(Exit::Config, message);
    let settings = config.mysql_settings().map_err(fault)?;
    let table = create(&settings);
    let database = Database::new(settings);
    let survey = match database.survey() {
        Ok(survey) => survey,
        Err(error) if apply => return Err(Fault::new(Exit::Unavailable, error)),
        Err(error) => {
            say(&format!(
                "-- Whether the table is there cannot be seen: {error}"
            ));
            say(&format!("{table};"));
            return Ok(());
        }
    };
    let (changes, misfits) = (survey.migration(), survey.misfits());
    for (misfit, change) in &misfits {
        say(&format!("-- {misfit}; look at what is in it, then:"));
        say(&format!("-- {change};"));
    }
    if changes.is_empty() && misfits.is_empty() {
        say("-- The table is as it should be.");
    }
    for change in &changes {
        say(&format!("{change};"));
    }
    if !apply {
        return Ok(());
    }
    database.apply(&changes).map_err(|(statement, error)| {
        Fault::new(Exit::Unavailable, failed(&statement, &error.message))
    })?;
    match misfits.first() {
        Some((misfit, _)) => Err(Fault::new(
            Exit::Unavailable,
            format!("{misfit}: it is left as it is"),
        )),
        None => Ok(()),
    }
}

/// What has failed, and what is there all the same.
fn failed(statement: &str, error: &str) -> String {
    let statement = statement.lines().next().unwrap_or(statement);
    if statement.contains("UNIQUE") && error.contains("(1062)") {
        return format!(
            "{error}: some rows have the same hash, so the table has no unique key; rows are written \
             all the same, by one connection at a time"
        );
    }
    format!("{error}: {statement}")
}

/// Whether MySQL is as the configuration wants it; how many things are not.
pub(super) fn faults(config: &Config) -> u32 {
    let asks = matches!(&config.recipients.users, Users::Asked(question) if question.of == "mysql");
    let writes = is_named(config, "MySQL") || is_named(config, BOTH);
    if !asks && !writes {
        return 0;
    }
    let settings = match config.mysql_settings() {
        Ok(settings) => settings,
        Err(message) => return fault(&message),
    };
    warn_of_the_way(&settings);
    let endpoint = settings.endpoint.clone();
    let database = Database::new(settings);
    let survey = match database.survey() {
        Ok(survey) => survey,
        Err(error) => return fault(&error.message),
    };
    say(&format!("ok    MySQL {} at {endpoint}", survey.version()));
    let mut faults = if asks {
        question_faults(config, &database)
    } else {
        0
    };
    if let Some(section) = config.mysql.as_ref().filter(|_| writes) {
        faults += table_faults(config, section, &survey);
    }
    faults
}

/// Mail and password are to be seen by nobody on their way.
fn warn_of_the_way(settings: &Settings) {
    let Endpoint::Tcp(host, _) = &settings.endpoint else {
        return;
    };
    let is_here = host.parse().map_or_else(
        |_| host.eq_ignore_ascii_case("localhost"),
        |address: IpAddr| address.is_loopback(),
    );
    let what = match settings.tls {
        Tls::Verified(_) => return,
        _ if is_here => return,
        Tls::Off => "is off: everybody on the way can read mail and change it",
        Tls::Preferred => "is preferred: whoever is on the way can turn encryption off",
        Tls::Required => "is required: whoever is on the way can pretend to be the server",
    };
    let endpoint = &settings.endpoint;
    say(&format!(
        "warn  MySQL at {endpoint}: mysql.tls {what}; write tls: verified"
    ));
}

fn table_faults(config: &Config, section: &MysqlConfig, survey: &Survey) -> u32 {
    let table = &section.table;
    let mut found = survey.faults();
    if let Some(sole) = sole_store(config) {
        found.extend(survey.store_faults(sole));
    }
    let faults: u32 = found.iter().map(|message| fault(message)).sum();
    let largest = section.mail.then(|| config.limits.message_size.octets());
    // Messages are there while Redis is down.
    let largest = largest.or_else(|| is_named(config, BOTH).then_some(0));
    let is_inline = section.delivery == Handover::Inline;
    let sticks = survey.sticks().filter(|_| is_inline);
    for warning in survey.warnings(largest).into_iter().chain(sticks) {
        say(&format!("warn  MySQL table {table}: {warning}"));
    }
    if faults == 0 {
        say(&format!("ok    MySQL table {table}"));
    }
    faults
}

/// Asks for somebody whom there need not be.
fn question_faults(config: &Config, database: &Database) -> u32 {
    let Users::Asked(question) = &config.recipients.users else {
        return 0;
    };
    let asked = match Question::read(&question.text) {
        Ok(asked) => asked,
        Err(error) => return fault(&format!("recipients.users.mysql {error}")),
    };
    let domain =
        Domain::parse(&config.hostname()).map_or_else(|_| "localhost".into(), |it| it.to_string());
    match database.ask(&asked, "postmaster", &domain) {
        Ok(_) => {
            say("ok    recipients.users: asked in MySQL");
            0
        }
        Err(error) => fault(&format!("recipients.users.mysql: {error}")),
    }
}

fn is_named(config: &Config, processor: &str) -> bool {
    let mut save = config.save.iter();
    save.any(|name| name.trim().eq_ignore_ascii_case(processor))
}

fn fault(message: &str) -> u32 {
    say(&format!("FAULT MySQL: {message}"));
    1
}
