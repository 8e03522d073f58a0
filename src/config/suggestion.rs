//! What somebody may have meant.

/// Says that `word` is no `kind` that is known, which one was perhaps meant, and which there are.
pub(super) fn unknown(kind: &str, word: &str, known: &[&str]) -> String {
    unknown_but(kind, word, nearest(word, known), known)
}

/// As [`unknown`], where it is known already what was perhaps meant.
pub(super) fn unknown_but(kind: &str, word: &str, meant: Option<&str>, known: &[&str]) -> String {
    let meant = match meant {
        Some(meant) => format!("; did you mean {meant:?}?"),
        None => ";".to_owned(),
    };
    format!(
        "unknown {kind} {word:?}{meant} known {kind}s: {}",
        known.join(", ")
    )
}

/// The known word that is nearest, if it is near at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let distance = |other: &str| {
        // One that begins with the other is an abbreviation.
        if word.len() >= 3 && (other.starts_with(&word) || word.starts_with(other)) {
            return 1;
        }
        strsim::damerau_levenshtein(&word, other)
    };
    known
        .iter()
        .map(|other| (distance(other), *other))
        .filter(|(distance, other)| *distance <= (word.len().max(other.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}
