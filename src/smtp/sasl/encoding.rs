//! base64 as RFC 4954 wants it: with padding, and nothing else between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text for octets (RFC 4648 section 4).
pub fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Octets for a text; none unless it is what [`encode`] would have made.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
