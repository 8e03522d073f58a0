//! MySQL on the command line: the table, and whether all is as the configuration wants it.

use super::{Exit, Fault, Outcome, say};
use crate::config::{Config, MysqlConfig};
use crate::mysql::{Database, Question, Survey, create};
use crate::recipients::Users;
use crate::smtp::address::Domain;

/// Prints what makes the table, or brings it up to date, and with `apply` does so.
pub(super) fn schema(config: &Config, apply: bool) -> Outcome {
    let fault = |message: String| Fault::new(Exit::Config, message);
    let section = section(config).map_err(fault)?;
    let settings = section.settings().map_err(fault)?;
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
    let changes = survey.migration();
    if changes.is_empty() {
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
    })
}

/// What has failed, and what is there all the same.
fn failed(statement: &str, error: &str) -> String {
    let statement = statement.lines().next().unwrap_or(statement);
    if statement.contains("UNIQUE") && error.contains("(1062)") {
        return format!(
            "{error}: some rows have the same hash, so the table has no unique key; rows are written \
             all the same, with a question more for each"
        );
    }
    format!("{error}: {statement}")
}

/// Whether MySQL is as the configuration wants it; how many things are not.
pub(super) fn faults(config: &Config) -> u32 {
    let asks = matches!(&config.recipients.users, Users::Asked(question) if question.of == "mysql");
    let is_named = |name: &String| {
        ["mysql", "guerrilladbredis"].contains(&name.trim().to_ascii_lowercase().as_str())
    };
    let writes = config.save.iter().any(is_named);
    if !asks && !writes {
        return 0;
    }
    let outcome = section(config).and_then(|section| Ok((section, section.settings()?)));
    let (section, settings) = match outcome {
        Ok(found) => found,
        Err(message) => return fault(&message),
    };
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
    if writes {
        faults += table_faults(config, section, &survey);
    }
    database.close();
    faults
}

fn table_faults(config: &Config, section: &MysqlConfig, survey: &Survey) -> u32 {
    let table = &section.table;
    let faults: u32 = survey.faults().iter().map(|message| fault(message)).sum();
    let largest = section.mail.then(|| config.limits.message_size.octets());
    for warning in survey.warnings(largest) {
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

fn section(config: &Config) -> Result<&MysqlConfig, String> {
    let section = config.mysql.as_ref();
    section.ok_or_else(|| "the section mysql is missing: where the database is".to_owned())
}

fn fault(message: &str) -> u32 {
    say(&format!("FAULT MySQL: {message}"));
    1
}
