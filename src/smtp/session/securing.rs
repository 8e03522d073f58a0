//! What the driver says about TLS (RFC 3207).

use super::{Session, State};

impl<R> Session<R> {
    /// Tells that the connection is encrypted from here on: after [`Step::StartTls`](super::Step::StartTls), or before
    /// the first step. What was said before is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self) {
        if matches!(self.state, State::Handshake) {
            self.state = State::Command;
        }
        self.secured = true;
        self.standing.forget();
        self.client = None;
        self.transaction = None;
        self.vouching.settle();
        self.vouching.origin = None;
        self.input.clear();
    }

    /// Tells that there is no certificate: STARTTLS is answered with 454.
    pub fn cannot_secure(&mut self) {
        self.can_secure = false;
    }
}
