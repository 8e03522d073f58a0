//! What the answers of PHP mean: one table, and nothing but the answer decides.
//!
//! Only a refusal that PHP itself has made is permanent. All that may be a fault of
//! the machinery, and all that nobody understands, is tried again.

use std::time::Duration;

use super::Answer;
use super::exchange::Output;
use super::settings::{Acknowledgement, Script, Settings};
use crate::smtp::reply::{self, Reply};

mod recipient;
mod response;
mod words;

pub(super) use recipient::validate;

use response::Response;

/// PHP may not ask for more patience than this.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// Octets of the answer that the log is told.
const SHOWN: usize = 200;

const REFUSED: Reply = Reply::new(550, 7, 1, "Refused by the application");

/// What PHP-FPM says on standard error when it cannot run the script. It answers
/// 404 or 403 then, which no script has said.
const NOT_RUN: [&str; 3] = [
    "Primary script unknown",
    "Unable to open primary script",
    "see security.limit_extensions",
];
/// And the bodies of these answers, for a PHP-FPM that keeps its complaints to itself.
/// The last is of a worker that has run the script before.
const NOT_RUN_BODIES: [&[u8]; 3] = [
    b"File not found.",
    b"Access denied.",
    b"No input file specified.",
];
/// Where PHP says that it is when it complains of a request, before it runs the script: from version 8 on,
/// and before. With `multipart/form-data` it says neither.
const AT_STARTUP: [&str; 2] = ["PHP Request Startup: ", "Unknown: "];
/// How far into the answer that is looked for, where PHP shows its complaints.
const SHOWN_FIRST: usize = 4096;

/// What became of a message whose key is `key`, of which a request with a body of `size` octets was made.
pub(super) fn save(output: &Output, key: &str, size: u64, settings: &Settings) -> Answer {
    let Some(response) = Response::parse(&output.stdout) else {
        return later(&Response::default(), "garbage", output);
    };
    if was_not_run(&response, output) {
        return later(&response, "PHP-FPM cannot run the script", output);
    }
    if settings.body.is_form() && response.status != 413 && was_dropped(&response, output, size) {
        return later(&response, "PHP has dropped the form", output);
    }
    match response.smtp_reply() {
        Some(Ok(reply)) if reply.is_permanent() => return never(reply, &response, output),
        Some(Ok(reply)) => {
            return Answer::Later {
                after: response.retry_after(LONGEST_WAIT),
                reply,
                why: why("as asked", &response, output),
            };
        }
        Some(Err(())) => return later(&response, "X-SMTP-Reply is no reply", output),
        None => {}
    }
    if let Some(missing) = missing_route(&response, &settings.save) {
        return later(&response, &missing, output);
    }
    let by_status = settings.acknowledgement == Acknowledgement::Status;
    match response.status {
        200..300 if by_status || response.is_acknowledged(key) => Answer::Delivered,
        200..300 => later(&response, "no acknowledgement", output),
        413 => never(reply::TOO_BIG, &response, output),
        403 | 404 | 406 | 410 | 422 => never(REFUSED, &response, output),
        _ => later(&response, "no success", output),
    }
}

/// A framework says 404 for every route that it has not, or not yet: no application has refused then.
fn missing_route(response: &Response, script: &Script) -> Option<String> {
    let uri = script.uri.as_ref().filter(|_| response.status == 404)?;
    Some(format!("PHP knows no route {uri} (410 would be a refusal)"))
}

/// Whether PHP has run the script without the form of `size` octets that it was sent.
fn was_dropped(response: &Response, output: &Output, size: u64) -> bool {
    let shown = &response.body[..response.body.len().min(SHOWN_FIRST)];
    [&output.stderr, shown].into_iter().any(|said| {
        let said = String::from_utf8_lossy(said);
        let mut lines = said.lines();
        lines.any(|line| exceeded(line, size).is_some_and(|limit| limit < size))
    })
}

/// The `post_max_size` that a line of PHP says is exceeded by `size` octets: the whole line, and the
/// very number, as what a script logs or shows may be a stranger's.
fn exceeded(line: &str, size: u64) -> Option<u64> {
    let line = line.replace("<b>", "").replace("</b>", "");
    let line = line.trim_end();
    let line = line.strip_suffix("<br />").unwrap_or(line);
    let line = line.strip_prefix("PHP message: ").unwrap_or(line);
    let line = line.strip_prefix("PHP ").unwrap_or(line);
    let line = line.strip_prefix("Warning:")?.trim_start();
    let at_startup = AT_STARTUP.iter().find_map(|at| line.strip_prefix(at));
    let line = at_startup.unwrap_or(line);
    let size = format!("POST Content-Length of {size} bytes exceeds the limit of ");
    let limit = line.strip_prefix(&size)?;
    limit
        .strip_suffix(" bytes in Unknown on line 0")?
        .parse()
        .ok()
}

fn was_not_run(response: &Response, output: &Output) -> bool {
    let errors = String::from_utf8_lossy(&output.stderr);
    let failed = matches!(response.status, 403 | 404);
    let body = response.body.trim_ascii();
    failed && (NOT_RUN.iter().any(|said| errors.contains(said)) || NOT_RUN_BODIES.contains(&body))
}

fn later(response: &Response, what: &str, output: &Output) -> Answer {
    Answer::Later {
        after: response.retry_after(LONGEST_WAIT),
        reply: reply::LOCAL_FAULT,
        why: why(what, response, output),
    }
}

fn never(reply: Reply, response: &Response, output: &Output) -> Answer {
    Answer::Never {
        reply,
        why: why("refused", response, output),
    }
}

/// What the log is told: the status, and how the body or the complaint begins.
fn why(what: &str, response: &Response, output: &Output) -> String {
    let (name, said) = if output.stderr.is_empty() {
        ("body", response.body)
    } else {
        ("stderr", &output.stderr[..])
    };
    let said = String::from_utf8_lossy(&said[..said.len().min(SHOWN)]);
    let said = said.trim();
    match response.status {
        0 => format!("{what}: {name} {said:?}"),
        status => format!("{what}: status {status}, {name} {said:?}"),
    }
}

#[cfg(test)]
mod tests;
