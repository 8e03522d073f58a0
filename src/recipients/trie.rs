//! Many patterns walked at once: a trie of tokens, read as a non-deterministic automaton.

use std::collections::HashMap;

/// One step of a pattern. What a capture is called does not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// This octet.
    Octet(u8),
    /// `?`: any one octet.
    One,
    /// `*`: any octets, or none.
    Any,
    /// `{name}`: one octet or more, none of them a dot.
    Capture,
}

/// A set of patterns. What a walk costs depends on the name and on how many
/// patterns are still possible at each octet of it, not on how many there are.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    edges: HashMap<(u32, Token), u32>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The token on the edge that leads here; none at the root.
    token: Option<Token>,
    /// The first of the patterns that end here.
    accepts: Option<usize>,
}

/// What came of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// The lowest number among the patterns that match.
    pub(super) first: Option<usize>,
    /// How many states were looked at: the cost.
    pub(super) visited: usize,
}

const ROOT: u32 = 0;

impl Trie {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            edges: HashMap::new(),
        }
    }

    /// Adds a pattern in which no `Any` follows an `Any`.
    pub(super) fn insert(&mut self, tokens: &[Token], number: usize) {
        let end = tokens
            .iter()
            .fold(ROOT, |node, &token| self.child(node, token));
        let accepts = &mut self.nodes[end as usize].accepts;
        *accepts = Some(accepts.map_or(number, |other| other.min(number)));
    }

    fn child(&mut self, node: u32, token: Token) -> u32 {
        let nodes = &mut self.nodes;
        *self.edges.entry((node, token)).or_insert_with(|| {
            nodes.push(Node {
                token: Some(token),
                accepts: None,
            });
            u32::try_from(nodes.len() - 1).expect("fewer octets of patterns than 2^32")
        })
    }

    /// Holds `name` against all patterns.
    pub(super) fn walk(&self, name: &str) -> Walk {
        let mut states = Vec::new();
        self.enter(ROOT, &mut states);
        let mut visited = states.len();
        let mut next = Vec::new();
        for octet in name.bytes() {
            for &state in &states {
                self.advance(state, octet, &mut next);
            }
            // A node that loops is reached from its parent and from itself.
            next.sort_unstable();
            next.dedup();
            visited += next.len();
            std::mem::swap(&mut states, &mut next);
            next.clear();
        }
        let accepted = states
            .iter()
            .filter_map(|&state| self.nodes[state as usize].accepts);
        Walk {
            first: accepted.min(),
            visited,
        }
    }

    /// Where `octet` leads from `state`.
    fn advance(&self, state: u32, octet: u8, next: &mut Vec<u32>) {
        let in_label = octet != b'.';
        let tokens = [Token::Octet(octet), Token::One, Token::Capture];
        for token in &tokens[..if in_label { 3 } else { 2 }] {
            if let Some(&node) = self.edges.get(&(state, *token)) {
                self.enter(node, next);
            }
        }
        match self.nodes[state as usize].token {
            Some(Token::Any) => next.push(state),
            Some(Token::Capture) if in_label => next.push(state),
            _ => {}
        }
    }

    /// A `*` may match nothing: who enters a node also stands behind its star.
    fn enter(&self, node: u32, states: &mut Vec<u32>) {
        states.push(node);
        if let Some(&star) = self.edges.get(&(node, Token::Any)) {
            states.push(star);
        }
    }
}
