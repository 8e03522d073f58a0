//! Plays a dialogue to a server, whatever it is reached by.

use crate::transcript::{Dialogue, Heard, Turn};

/// A connection to a server under test.
pub trait Transport {
    /// Sends octets of the client. To a connection that is closed nothing is sent.
    fn send(&mut self, octets: &[u8]);
    /// What the server said and did since the last call, up to where it waits
    /// for the client. A transport that cannot see that listens until `enough`.
    fn listen(&mut self, enough: &dyn Fn(&Heard) -> bool) -> Heard;
    /// Tells the server to shut down.
    fn shut_down(&mut self);
    /// Does the client's part of the handshake of TLS.
    fn handshake(&mut self);
}

/// How the client's octets are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each turn in one piece; the client waits for the answers to it.
    LockStep,
    /// After the greeting all octets without waiting, in pieces of this size.
    Pieces(usize),
    /// After the greeting without waiting, in two pieces: so many octets, and the rest.
    SplitAt(usize),
}

impl Pace {
    /// The turns as the client takes them: without waiting, many become one.
    pub fn turns(self, dialogue: &Dialogue) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for (number, turn) in dialogue.turns.iter().enumerate() {
            let waits = self == Self::LockStep || number <= 1 || turn.shut_down || turn.handshake;
            match turns.last_mut() {
                Some(last) if !waits => last.join(turn),
                _ => turns.push(turn.clone()),
            }
        }
        turns
    }

    /// Cuts what the client sends in a turn.
    fn cut(self, octets: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::LockStep => vec![octets],
            Self::Pieces(size) => octets.chunks(size).collect(),
            Self::SplitAt(at) => {
                let (first, second) = octets.split_at(at.min(octets.len()));
                vec![first, second]
            }
        }
    }
}

/// Plays `turns` and returns what was heard in each.
pub fn play(turns: &[Turn], pace: Pace, transport: &mut impl Transport) -> Vec<Heard> {
    let mut heard = Vec::new();
    for turn in turns {
        if turn.shut_down {
            transport.shut_down();
        }
        if turn.handshake {
            transport.handshake();
        }
        for piece in pace.cut(&turn.octets) {
            if !piece.is_empty() {
                transport.send(piece);
            }
        }
        heard.push(transport.listen(&|heard| turn.is_over(heard)));
    }
    heard
}
