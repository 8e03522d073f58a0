//! Many patterns walked at once: a trie of tokens, read as a non-deterministic automaton.

use std::iter::successors;

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
}

/// The number of a node; no edge leads to the root, so 0 stands for none.
type Number = u32;

#[derive(Clone, Debug, Default)]
struct Node {
    /// The token on the edge that leads here; none at the root.
    token: Option<Token>,
    /// The first of the patterns that end here.
    accepts: Option<u32>,
    /// Where `Any` leads.
    star: Number,
    /// The first of those that other tokens lead to. Most nodes have one, and none can have more
    /// than a host name has characters: so they are a list, which is made faster than a table.
    child: Number,
    /// The next of those that its parent leads to.
    sibling: Number,
}

/// What came of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// The lowest number among the patterns that match.
    pub(super) first: Option<usize>,
    /// How many states were looked at: the cost.
    pub(super) visited: usize,
}

const ROOT: Number = 0;

impl Trie {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// Adds a pattern in which no `Any` follows an `Any`.
    pub(super) fn insert(&mut self, tokens: &[Token], number: usize) {
        let end = tokens
            .iter()
            .fold(ROOT, |node, &token| self.child(node, token));
        let number = few(number);
        let accepts = &mut self.nodes[end as usize].accepts;
        *accepts = Some(accepts.map_or(number, |other| other.min(number)));
    }

    /// Where `token` leads from `node`; a new one, if it has led nowhere.
    fn child(&mut self, node: Number, token: Token) -> Number {
        let known = match token {
            Token::Any => self.star(node),
            _ => self.children(node).find(|(_, it)| it.token == Some(token)),
        };
        if let Some((known, _)) = known {
            return known;
        }
        let new = few(self.nodes.len());
        let parent = &mut self.nodes[node as usize];
        let before = match token {
            Token::Any => &mut parent.star,
            _ => &mut parent.child,
        };
        let sibling = std::mem::replace(before, new);
        self.nodes.push(Node {
            token: Some(token),
            sibling,
            ..Node::default()
        });
        new
    }

    fn star(&self, node: Number) -> Option<(Number, &Node)> {
        self.node(self.nodes[node as usize].star)
    }

    fn children(&self, node: Number) -> impl Iterator<Item = (Number, &Node)> {
        let first = self.node(self.nodes[node as usize].child);
        successors(first, |(_, it)| self.node(it.sibling))
    }

    fn node(&self, number: Number) -> Option<(Number, &Node)> {
        (number != ROOT).then(|| (number, &self.nodes[number as usize]))
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
            first: accepted.min().map(|number| number as usize),
            visited,
        }
    }

    /// Where `octet` leads from `state`.
    fn advance(&self, state: Number, octet: u8, next: &mut Vec<Number>) {
        let in_label = octet != b'.';
        for (number, child) in self.children(state) {
            let is_next = match child.token {
                Some(Token::Octet(wanted)) => wanted == octet,
                Some(Token::One) => true,
                Some(Token::Capture) => in_label,
                Some(Token::Any) | None => false,
            };
            if is_next {
                self.enter(number, next);
            }
        }
        match self.nodes[state as usize].token {
            Some(Token::Any) => next.push(state),
            Some(Token::Capture) if in_label => next.push(state),
            _ => {}
        }
    }

    /// A `*` may match nothing: who enters a node also stands behind its star.
    fn enter(&self, node: Number, states: &mut Vec<Number>) {
        states.push(node);
        if let Some((star, _)) = self.star(node) {
            states.push(star);
        }
    }
}

fn few(number: usize) -> u32 {
    u32::try_from(number).expect("fewer octets of patterns than 2^32")
}
