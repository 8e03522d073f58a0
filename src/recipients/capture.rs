//! What the captures of one pattern stand for in one host.

use std::collections::BTreeMap;

use super::trie::Token;

/// Holds `host` against one pattern and returns what its captures took, by
/// name; none when it does not match. From left to right a capture takes as
/// much as it can, and a star as little as it must.
///
/// Linear in the product of both lengths: which rests of the pattern match
/// which rests of the host is found out first, so that nothing is tried twice.
pub(super) fn captures(
    tokens: &[Token],
    names: &[String],
    host: &str,
) -> Option<BTreeMap<String, String>> {
    let mut captures = BTreeMap::new();
    if names.is_empty() {
        return Some(captures);
    }
    let rests = matching_rests(tokens, host.as_bytes());
    if !rests[0][0] {
        return None;
    }
    let mut names = names.iter();
    let mut start = 0;
    for (token, fits) in tokens.iter().zip(&rests[1..]) {
        let end = match token {
            Token::Octet(_) | Token::One => start + 1,
            Token::Any => (start..=host.len()).find(|&end| fits[end])?,
            Token::Capture => {
                let label_end = host[start..].find('.').map_or(host.len(), |n| start + n);
                let end = (start + 1..=label_end).rev().find(|&end| fits[end])?;
                captures.insert(names.next()?.clone(), host[start..end].to_owned());
                end
            }
        };
        start = end;
    }
    Some(captures)
}

/// `[t][h]` says whether the tokens from `t` on match the octets from `h` on.
fn matching_rests(tokens: &[Token], host: &[u8]) -> Vec<Vec<bool>> {
    let mut rests = vec![vec![false; host.len() + 1]; tokens.len() + 1];
    rests[tokens.len()][host.len()] = true;
    for (t, token) in tokens.iter().enumerate().rev() {
        for h in (0..=host.len()).rev() {
            let one = h < host.len() && rests[t + 1][h + 1];
            let more = h < host.len() && rests[t][h + 1];
            rests[t][h] = match token {
                Token::Octet(octet) => one && host[h] == *octet,
                Token::One => one,
                Token::Any => rests[t + 1][h] || more,
                Token::Capture => (one || more) && host[h] != b'.',
            };
        }
    }
    rests
}
