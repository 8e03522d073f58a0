//! A refusal in words, as scripts for go-guerrilla have them.
//!
//! These say PASSED, or anything else, and what else they say may be a refusal or an outage. Words
//! count as a refusal that are known for one and say nothing besides: there is no end of the words of
//! outages.

/// Words that say no.
const NO: [&str; 14] = [
    "no",
    "not",
    "unknown",
    "invalid",
    "nonexistent",
    "non-existent",
    "nobody",
    "reject",
    "rejected",
    "refused",
    "deny",
    "denied",
    "doesn't",
    "isn't",
];
/// Those that may stand beside them: of a recipient, and such as join others.
const BESIDE: [&str; 35] = [
    "user",
    "mailbox",
    "recipient",
    "rcpt",
    "address",
    "account",
    "alias",
    "email",
    "e-mail",
    "mail",
    "found",
    "exist",
    "exists",
    "known",
    "valid",
    "accepted",
    "allowed",
    "pass",
    "passed",
    "ok",
    "such",
    "does",
    "do",
    "is",
    "was",
    "the",
    "this",
    "that",
    "a",
    "by",
    "with",
    "for",
    "here",
    "there",
    "sorry",
];
/// The codes of RFC 5321 and RFC 3463 for it.
const CODES: [&str; 2] = ["550", "5.1.1"];

/// Whether all that is said is that there is no such recipient as `rcpt`.
pub(super) fn refuse(said: &[u8], rcpt: &str) -> bool {
    let Ok(said) = str::from_utf8(said) else {
        return false;
    };
    let mut is_no = false;
    said.split_whitespace().all(|word| {
        let word = bare(word);
        is_no |= is_one_of(&NO, word);
        is_one_of(&NO, word)
            || is_one_of(&BESIDE, word)
            || CODES.contains(&word)
            || word.eq_ignore_ascii_case(rcpt)
    }) && is_no
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// A word without the punctuation around it; markup is none.
fn bare(word: &str) -> &str {
    let word = word.trim_end_matches(['.', ',', ';', ':', '!']);
    let quoted = [('<', '>'), ('"', '"'), ('\'', '\''), ('(', ')')];
    let inner = quoted.iter().find_map(|(open, close)| {
        word.strip_prefix(*open)
            .and_then(|word| word.strip_suffix(*close))
    });
    inner.unwrap_or(word)
}
