//! What an answer means for a recipient.

use std::time::Duration;

use super::super::exchange::Output;
use super::super::settings::{Acknowledgement, Body, Settings};
use super::super::{Opinion, Verdict};
use super::response::Response;
use super::{LONGEST_WAIT, REFUSED, missing_route, was_not_run, why, words};
use crate::smtp::reply;

/// What is to be said to `rcpt`, the recipient that was asked about, and whether others may be told
/// the same.
pub(in crate::fastcgi) fn validate(output: &Output, rcpt: &str, settings: &Settings) -> Opinion {
    let Some(response) = Response::parse(&output.stdout) else {
        let why = why("garbage", &Response::default(), output);
        return Opinion {
            verdict: unknown(why),
            lifetime: None,
        };
    };
    Opinion {
        verdict: verdict(&response, output, rcpt, settings),
        lifetime: lifetime(&response),
    }
}

fn verdict(response: &Response, output: &Output, rcpt: &str, settings: &Settings) -> Verdict {
    let unknown = |what: &str| unknown(why(what, response, output));
    if was_not_run(response, output) {
        return unknown("PHP-FPM cannot run the script");
    }
    let refused = |reply, what: &str| Verdict::Refused {
        reply,
        why: why(what, response, output),
    };
    match response.smtp_reply() {
        Some(Ok(reply)) if reply.is_permanent() => return refused(reply, "refused"),
        Some(Ok(reply)) => return refused(reply, "as asked"),
        Some(Err(())) => return unknown("X-SMTP-Reply is no reply"),
        None => {}
    }
    if let Some(missing) = missing_route(response, &settings.validate) {
        return unknown(&missing);
    }
    let by_status = settings.acknowledgement == Acknowledgement::Status;
    match response.status {
        204 => Verdict::Passed,
        200..300 if by_status || response.says_pass() => Verdict::Passed,
        200 if settings.body == Body::Guerrilla
            && output.stderr.is_empty()
            && words::refuse(response.body, rcpt) =>
        {
            refused(reply::USER_UNKNOWN, "refused")
        }
        200..300 => unknown("no acknowledgement"),
        403 => refused(REFUSED, "refused"),
        404 | 410 => refused(reply::USER_UNKNOWN, "refused"),
        _ => unknown("no success"),
    }
}

fn unknown(why: String) -> Verdict {
    Verdict::Unknown {
        reply: reply::LOCAL_FAULT,
        why,
    }
}

/// That there is such a recipient, or that there is none, is true for all who ask. What is
/// forbidden, or said in words of PHP's own, may be of this sender or this client, unless PHP says
/// for how long it holds.
fn lifetime(response: &Response) -> Option<Duration> {
    let is_personal = response.status == 403 || response.smtp_reply().is_some();
    let default = is_personal.then_some(Duration::ZERO);
    response.max_age(LONGEST_WAIT).or(default)
}
