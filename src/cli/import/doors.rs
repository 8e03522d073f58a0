//! How a server is reached: encryption, and who may speak for a client.

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::{Entry, Value};
use crate::config::written;

/// The keys of one server about TLS.
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) starttls: Option<Said<bool>>,
    pub(super) implicit: Option<Said<bool>>,
    pub(super) certificate: Option<Said<String>>,
    pub(super) key: Option<Said<String>>,
}

const CIPHERS: &str = "which ciphers and curves are used is no setting here: rustls has none that \
                       are known to be weak";

/// What `tls{}` of 1.6 has beside flags and files.
const DETAILS: [&str; 6] = [
    "protocols",
    "client_auth_type",
    "root_cas_file",
    "ciphers",
    "curves",
    "prefer_server_cipher_suites",
];

/// The entry `tls` of a listener; `otherwise` is its mode where no key says so, and `place` the name
/// of its `tls{}` of 1.6.
pub(super) fn tls(
    draft: &mut Draft,
    tls: Tls,
    otherwise: &'static str,
    place: Option<&str>,
) -> Option<Entry> {
    let flags = [&tls.starttls, &tls.implicit];
    let flags = flags.into_iter().flatten().map(|said| said.from);
    let files = [&tls.certificate, &tls.key];
    let files = files.into_iter().flatten().map(|said| said.from);
    let (flags, files): (Vec<Id>, Vec<Id>) = (flags.collect(), files.collect());
    let is_on = |said: &Option<Said<bool>>| said.as_ref().is_some_and(|said| said.value);
    let mode = match (is_on(&tls.implicit), is_on(&tls.starttls)) {
        (true, _) => "implicit",
        (false, true) => "starttls",
        (false, false) => otherwise,
    };
    if mode == "off" {
        return off(draft, &tls, &flags, &files, place);
    }
    let (Some(certificate), Some(key)) = (tls.certificate, tls.key) else {
        missing(draft, &[flags, files].concat(), place);
        return None;
    };
    let mode = draft.entry(Value::Word(mode.to_owned()), &flags);
    let certificate_from = [certificate.from];
    let certificate = draft.entry(Value::Text(certificate.value), &certificate_from);
    let key_from = [key.from];
    let key = draft.entry(Value::Text(key.value), &key_from);
    let mut entries = vec![
        named("mode", mode),
        named("certificate", certificate),
        named("key", key),
    ];
    entries.extend(place.map_or_else(Vec::new, |place| details(draft, place)));
    Some(Entry::new("tls", Value::Section(entries)))
}

/// The same for a listener that was not encrypted, whatever files are there. They are named, since
/// nothing else says where they are.
fn off(
    draft: &mut Draft,
    tls: &Tls,
    flags: &[Id],
    files: &[Id],
    place: Option<&str>,
) -> Option<Entry> {
    tell_details(draft, place, "TLS was off, and is");
    if flags.is_empty() && files.is_empty() {
        return None;
    }
    let mut word = draft.entry(Value::Word("off".to_owned()), flags);
    if !files.is_empty() {
        let file =
            |said: &Option<Said<String>>| written(said.as_ref().map_or("FILE", |said| &said.value));
        let (certificate, key) = (file(&tls.certificate), file(&tls.key));
        word.notes.push(format!(
            "To have it: tls: {{mode: starttls, certificate: {certificate}, key: {key}}}"
        ));
        let why = "no flag of TLS was on, so that nothing was encrypted with it, and nothing is; \
                   the comment at listeners[].tls says how to have it";
        draft.tell(files, why);
    }
    Some(named("tls", word))
}

/// The same for a listener without a certificate or without its key.
fn missing(draft: &mut Draft, all: &[Id], place: Option<&str>) {
    tell_details(
        draft,
        place,
        "nothing is encrypted without a certificate and its key",
    );
    if !all.is_empty() {
        let why = "there is no TLS without a certificate and its key, and this listener is not \
                   encrypted in the result; add both to listeners[].tls";
        draft.tell(all, why);
    }
}

/// Tells that nothing else in `tls{}` is of use.
fn tell_details(draft: &mut Draft, place: Option<&str>, why: &str) {
    let Some(place) = place else { return };
    let keys = DETAILS.map(|key| draft.ledger.find(&format!("{place}.{key}")));
    let there: Vec<Id> = keys.into_iter().flatten().collect();
    if !there.is_empty() {
        draft.tell(&there, why);
    }
}

/// What else `tls{}` of 1.6 has; `place` is its name.
fn details(draft: &mut Draft, place: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    entries.extend(versions(draft, &format!("{place}.protocols")));
    entries.extend(clients(draft, place));
    let keys = ["ciphers", "curves", "prefer_server_cipher_suites"];
    let keys = keys.map(|key| draft.ledger.find(&format!("{place}.{key}")));
    let there: Vec<Id> = keys.into_iter().flatten().collect();
    if !there.is_empty() {
        draft.tell(&there, CIPHERS);
    }
    entries
}

fn versions(draft: &mut Draft, key: &str) -> Option<Entry> {
    let said = draft.list(key)?;
    let (least, most) = (said.value.first(), said.value.get(1));
    if most.is_some_and(|most| most != "tls1.3") {
        let why = "there is no newest version here: TLS 1.3 is always spoken with who can";
        draft.tell(&[said.from], why);
    }
    let version = match least.map(String::as_str) {
        Some("tls1.3") => "\"1.3\"",
        Some("tls1.2") => "\"1.2\"",
        least => {
            let why = format!(
                "{} is not spoken here; TLS 1.2 is the oldest version",
                least.unwrap_or("nothing")
            );
            draft.tell(&[said.from], why);
            return None;
        }
    };
    let entry = draft.entry(Value::Word(version.to_owned()), &[said.from]);
    Some(named("min_version", entry))
}

/// Certificates of clients: go-guerrilla looked at them against the wrong list of CAs.
fn clients(draft: &mut Draft, place: &str) -> Vec<Entry> {
    let asked = draft.some_text(&format!("{place}.client_auth_type"));
    let ca = draft.some_text(&format!("{place}.root_cas_file"));
    let word = match asked.as_ref().map(|asked| asked.value.as_str()) {
        Some("RequireAndVerifyClientCert") => Some("require"),
        Some("VerifyClientCertIfGiven") => Some("request"),
        _ => None,
    };
    match (asked, word, ca) {
        (Some(asked), Some(word), Some(ca)) => {
            let from = [ca.from];
            let ca = draft.entry(Value::Text(ca.value), &from);
            let word = draft.entry(Value::Word(word.to_owned()), &[asked.from]);
            return vec![named("client_ca", ca), named("client_certificates", word)];
        }
        (Some(asked), Some(_), None) => {
            let why = "certificates of clients need the CA that they are signed by: write \
                       client_ca into listeners[].tls";
            draft.tell(&[asked.from], why);
        }
        (asked, _, ca) => {
            if let Some(asked) = asked {
                let why = "clients are asked for certificates only where they are verified: with \
                           client_ca in listeners[].tls";
                draft.tell(&[asked.from], why);
            }
            if let Some(ca) = ca {
                let why = "go-guerrilla never verified a client with it; write it as client_ca \
                           into listeners[].tls if that is what you want";
                draft.tell(&[ca.from], why);
            }
        }
    }
    Vec::new()
}

pub(super) const XCLIENT: &str = "xclient";
pub(super) const FROM_EVERYBODY: &str = "It was believed from everybody; name your proxies here.";

/// XCLIENT: from whom it is believed has to be said here.
pub(super) fn xclient(draft: &mut Draft, key: &str) -> Option<Entry> {
    trusted(draft, key, XCLIENT, FROM_EVERYBODY)
}

/// The PROXY protocol.
pub(super) fn proxy(draft: &mut Draft, key: &str) -> Option<Entry> {
    let note = "It was believed from everybody; name your proxies here: nobody else can connect.";
    trusted(draft, key, "proxy_protocol", note)
}

fn trusted(draft: &mut Draft, key: &str, name: &str, note: &str) -> Option<Entry> {
    let said = draft.flag(key)?;
    if !said.value {
        let nobody = draft.entry(Value::Word("~".to_owned()), &[said.from]);
        return Some(named(name, nobody));
    }
    Some(believed(draft, said.from, name, note))
}

/// Only this machine; whom else is not in the file.
pub(super) fn believed(draft: &mut Draft, from: Id, name: &str, note: &str) -> Entry {
    let why = format!(
        "only this machine itself is believed in the result; name your proxies in \
         listeners[].{name}"
    );
    draft.tell(&[from], why);
    let this_machine = ["127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut entry = draft.entry(Value::List(this_machine), &[from]);
    entry.notes.push(note.to_owned());
    named(name, entry)
}

fn named(key: &str, entry: Entry) -> Entry {
    Entry {
        key: key.to_owned(),
        ..entry
    }
}
