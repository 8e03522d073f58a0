//! Keys that have no counterpart, and what to do instead.
//!
//! What the program may have one day is in this one place, so that
//! each moves from here to where it is imported.

use super::draft::Draft;
use super::ledger::{self, Id, Value};

const MYSQL: &str = "the statement is made of the columns that the table has; columns with other names are \
                     told in mysql.columns";
const IDLE: &str = "connections are kept, and made again when they break";
const BATCH: &str =
    "nobody waits for a batch: rows of messages that come at the same time go into one INSERT";
const S3: &str = "this program writes to no S3; copy the Maildirs there";
const NGINX: &str = "nginx's auth_http is answered by a program that was built with --features \
                     auth-http, where the section auth_http has this address";
const IDS: &str = "go-guerrilla never used it; with systemd write User= and Group= into the unit";
const WORKERS: &str = "there are no workers to count: deliveries run side by side, \
                       limits.deliveries at most";
const STREAM: &str = "streams are of a version 2.0 of go-guerrilla that was never released; large \
                      messages wait on the disk here, without a key";
const SLEEP: &str = "an aid for tests of go-guerrilla; there is none here";
const PRIMARY: &str = "Delivered-To has the recipient's own address here; whoever reads this one \
                       host there writes header: {delivered_to_host: HOST}";
const BACKEND: &str = "backends had names in a draft of 1.6 only; a chain says what is done with \
                       mail: save_process, and here save";
const DASHBOARD: &str = "there is no panel; a program that was built with --features metrics has \
                         figures for Prometheus, where the section metrics is";

/// A key by the last part of its name; one that ends in a dot by a section that it is in.
const KEYS: [(&str, &str); 39] = [
    ("primary_mail_host", PRIMARY),
    ("GM_PRIMARY_MAIL_HOST", PRIMARY),
    ("save_workers_size", WORKERS),
    ("validate_workers_size", WORKERS),
    ("GM_SAVE_WORKERS", WORKERS),
    ("save_process_size", WORKERS),
    ("validate_process_size", WORKERS),
    ("sql_insert", MYSQL),
    ("sql_values", MYSQL),
    ("sql_max_idle_conns", IDLE),
    ("sql_max_conn_lifetime", IDLE),
    ("redis_sql_batch_timeout", BATCH),
    ("redis_mysql_batch_timeout", BATCH),
    ("s3_endpoint", S3),
    ("s3_access_key_id", S3),
    ("s3_secret_access_key", S3),
    ("s3_use_tls", S3),
    ("s3_region", S3),
    ("s3_bucket_name", S3),
    ("NGINX_AUTH_ENABLED", NGINX),
    ("NGINX_AUTH", NGINX),
    ("SGID", IDS),
    ("SUID", IDS),
    ("GUID", IDS),
    (
        "MAX_SMTP_CLIENTS",
        "go-guerrilla never used it; GM_MAX_CLIENTS counts",
    ),
    (
        "GSMTP_VERBOSE",
        "it had no effect beside the flag -v; write debug into log.level",
    ),
    ("sleep_seconds", SLEEP),
    ("backend_name", BACKEND),
    ("dashboard.", DASHBOARD),
    ("stream_processors.", STREAM),
    ("background_workers_size", STREAM),
    ("stream_workers_size", STREAM),
    ("stream_timeout", STREAM),
    ("stream_buffer_size", STREAM),
    ("save_stream", STREAM),
    ("save_stream_size", STREAM),
    ("post_process_size", STREAM),
    ("post_process_producer", STREAM),
    ("post_process_consumer", STREAM),
];

/// Keys that have keys in them, without the numbers of elements.
const SECTIONS: [&str; 4] = ["backend_config", "servers", "servers.tls", "backend"];

/// What must not be seen over somebody's shoulder.
const SECRETS: [&str; 9] = [
    "mysql_pass",
    "sql_dsn",
    "s3_secret_access_key",
    "s3_access_key_id",
    "cookie.secret",
    "mongo.uri",
    "password",
    "secret",
    "token",
];

/// Tells of all that has no counterpart and is not accounted for; keys with the same reason
/// together. What is unknown too is told last, so that nothing is left.
pub(super) fn tell(draft: &mut Draft) {
    let mut told: Vec<(String, Vec<Id>)> = Vec::new();
    for id in draft.ledger.unsettled("") {
        let why = why(draft, id);
        match told.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, ids)) => ids.push(id),
            None => told.push((why, vec![id])),
        }
    }
    for (why, ids) in told {
        draft.tell(&ids, why);
    }
}

fn why(draft: &Draft, id: Id) -> String {
    let key = draft.ledger.key(id);
    if let Some(counts) = draft.ledger.instead_of(id) {
        return twice(key, draft.ledger.key(counts));
    }
    let last = ledger::last(key);
    let known =
        KEYS.iter()
            .chain(&super::gleez::KEYS)
            .find(|(name, _)| match name.strip_suffix('.') {
                Some(section) => key
                    .split('.')
                    .any(|part| part.eq_ignore_ascii_case(section)),
                None => name.eq_ignore_ascii_case(last) || name.eq_ignore_ascii_case(key),
            });
    if let Some((_, why)) = known {
        return (*why).to_owned();
    }
    if is_one_of(&SECTIONS, &without_numbers(key)) {
        return no_section(draft.ledger.value(id)).to_owned();
    }
    if is_one_of(&super::READ, last) {
        return "this key is known, but not in this place, where it had no effect; move it if it \
                is meant, and import again"
            .to_owned();
    }
    unknown(last)
}

/// `servers.tls` for `servers[0].tls`.
fn without_numbers(key: &str) -> String {
    let parts = key.split('[').enumerate();
    let behind = |(number, part): (usize, &str)| match (number, part.split_once(']')) {
        (1.., Some((_, behind))) => behind.to_owned(),
        _ => part.to_owned(),
    };
    parts.map(behind).collect()
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// A key that is there under the same name again.
fn twice(key: &str, counts: &str) -> String {
    let name = ledger::last(counts);
    if ledger::is_looked_up(counts) && name != ledger::last(key) {
        return format!("{name} counts, as before: go-guerrilla knew it in this case only");
    }
    "it is there twice; the last one counts, as before".to_owned()
}

/// Something else where sections have their keys.
fn no_section(value: &Value) -> &'static str {
    match value {
        Value::Null | Value::Section => "there is nothing in it",
        _ => {
            "keys belong here, in { }, and none could be read from it; correct it and import again"
        }
    }
}

/// A key that nobody knows, with one that may have been meant.
fn unknown(last: &str) -> String {
    let near = KEYS
        .iter()
        .map(|(name, _)| *name)
        .chain(super::READ)
        .map(|name| {
            (
                strsim::damerau_levenshtein(&last.to_lowercase(), &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= (name.len() / 4).max(1))
        .min();
    match near {
        Some((_, near)) => {
            format!("no such key is known; if {near} was meant, correct it and import again")
        }
        None => "no such key is known: it had no effect there, and has none here".to_owned(),
    }
}

/// Whether the value of a key is to be kept to oneself.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRETS.iter().any(|secret| key.ends_with(secret))
}
