//! `SASLprep` (RFC 4013): the same characters, however they were typed.

/// A name or password as it is compared; none if it holds what `SASLprep` forbids:
/// control characters, private ones, those that Unicode 3.2 had not yet, emoji say.
pub fn prepare(text: &str) -> Option<String> {
    stringprep::saslprep(text).ok().map(Into::into)
}
