//! Transcripts: dialogues kept as text, in the notation of the RFCs.
//!
//! ```text
//! # A remark.
//! % key: value                 a setting of the server; before the first `==` for all dialogues
//! == title                     begins another dialogue, with another connection
//! S: 250 2.0.0 Ok              the server says a line; `...` at its end is any rest,
//!                              alone it is any lines (one at least), `* n` repeats the line
//! C: NOOP                      the client says a line; CRLF is appended
//! C| "a\n" * 3 "\xff"          the client sends these octets
//! => path, recipients, "..."   a message was delivered; `=> nothing`: none was
//! ! closed                     the server closed the connection
//! ! shut down                  the server is told to shut down
//! ! handshake                  the client does the handshake of TLS before it speaks
//! ```

use std::fmt;

use crate::octets;

/// The settings a dialogue names: key and value.
pub type Settings = Vec<(String, String)>;

/// One connection from its greeting to its end.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    pub title: String,
    pub settings: Settings,
    pub turns: Vec<Turn>,
}

/// The client speaks, the server answers.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Remarks and the lines of the client, as they are written.
    text: String,
    /// The server is told to shut down before the client speaks.
    pub shut_down: bool,
    /// The connection is encrypted before the client speaks.
    pub handshake: bool,
    /// What the client sends.
    pub octets: Vec<u8>,
    /// What the server says, line by line, with `...` and `* n`.
    pub replies: Vec<String>,
    /// What is delivered.
    pub deliveries: Vec<String>,
    /// The server closes the connection.
    pub closed: bool,
}

/// What a server did in a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub replies: Vec<u8>,
    pub deliveries: Vec<String>,
    pub closed: bool,
}

/// Reads the dialogues of a file.
pub fn parse(text: &str) -> Result<Vec<Dialogue>, String> {
    let mut dialogues = vec![Dialogue::default()];
    let mut shared = Settings::new();
    for (number, line) in text.lines().enumerate() {
        let dialogue = dialogues.last_mut().expect("there is one from the start");
        if let Some(title) = line.strip_prefix("== ") {
            let mut next = if dialogue.has_begun() {
                Dialogue {
                    settings: shared.clone(),
                    ..Dialogue::default()
                }
            } else {
                shared.clone_from(&dialogue.settings);
                dialogues.pop().expect("it was the last")
            };
            title.clone_into(&mut next.title);
            next.turn().say(line);
            dialogues.push(next);
        } else {
            dialogue
                .read(line)
                .map_err(|fault| format!("line {}: {fault}", number + 1))?;
        }
    }
    Ok(dialogues)
}

impl Dialogue {
    /// What a setting says.
    pub fn setting(&self, key: &str) -> Option<&str> {
        // The last one counts: it is the dialogue's own.
        let mut settings = self.settings.iter().rev();
        let found = settings.find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether what the client sends may come in pieces, and before it was answered: otherwise
    /// `% cut: never`.
    pub fn may_be_cut(&self) -> bool {
        self.setting("cut") != Some("never")
    }

    fn has_begun(&self) -> bool {
        self.turns
            .iter()
            .any(|turn| turn.is_answered() || !turn.octets.is_empty())
    }

    fn turn(&mut self) -> &mut Turn {
        if self.turns.is_empty() {
            self.turns.push(Turn::default());
        }
        self.turns.last_mut().expect("one was just made")
    }

    fn read(&mut self, line: &str) -> Result<(), String> {
        if let Some(reply) = line.strip_prefix("S:") {
            self.turn().replies.push(reply.trim_start().to_owned());
        } else if let Some(delivery) = line.strip_prefix("=>") {
            self.turn().deliveries.push(delivery.trim().to_owned());
        } else if line == "! closed" {
            self.turn().closed = true;
        } else {
            self.client(line)?;
        }
        Ok(())
    }

    /// A line that is not the server's.
    fn client(&mut self, line: &str) -> Result<(), String> {
        let shut_down = line == "! shut down";
        let handshake = line == "! handshake";
        let is_mark = shut_down || handshake;
        if self.turn().is_answered() || is_mark && !self.turn().octets.is_empty() {
            self.turns.push(Turn::default());
        }
        if let Some(setting) = line.strip_prefix("% ") {
            let (key, value) = setting.split_once(": ").ok_or("not `% key: value`")?;
            self.settings.push((key.to_owned(), value.to_owned()));
        }
        let turn = self.turn();
        if let Some(command) = line.strip_prefix("C:") {
            let command = command.strip_prefix(' ').unwrap_or(command);
            turn.octets.extend_from_slice(command.as_bytes());
            turn.octets.extend_from_slice(b"\r\n");
        } else if let Some(raw) = line.strip_prefix("C|") {
            turn.octets.extend(octets::parse(raw)?);
        } else if shut_down {
            turn.shut_down = true;
        } else if handshake {
            turn.handshake = true;
        } else if !(line.is_empty() || line.starts_with(['#', '%'])) {
            return Err(format!("a line of an unknown kind: {line}"));
        }
        turn.say(line);
        Ok(())
    }
}

impl Turn {
    fn say(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn is_answered(&self) -> bool {
        self.closed || !self.replies.is_empty() || !self.deliveries.is_empty()
    }

    /// Makes one turn of two.
    pub fn join(&mut self, next: &Self) {
        self.text.push_str(&next.text);
        self.octets.extend_from_slice(&next.octets);
        self.replies.extend_from_slice(&next.replies);
        self.deliveries.extend_from_slice(&next.deliveries);
        self.closed |= next.closed;
    }

    /// Why the server did something else than this turn says.
    pub fn check(&self, heard: &Heard) -> Result<(), String> {
        if !self.expects_replies(&heard.replies) {
            let heard = shortened(&lines(&heard.replies));
            return Err(self.difference("replies", &self.replies, &heard));
        }
        if !self.expects_deliveries(&heard.deliveries) {
            return Err(self.difference("deliveries", &self.deliveries, &heard.deliveries));
        }
        if self.closed != heard.closed {
            return Err(self.difference("closed", self.closed, heard.closed));
        }
        Ok(())
    }

    fn difference(&self, what: &str, wanted: impl fmt::Debug, had: impl fmt::Debug) -> String {
        let text = &self.text;
        format!("{text}\nexpected {what}: {wanted:#?}\n but there were: {had:#?}")
    }

    /// Whether the server has done all that this turn says.
    pub fn is_over(&self, heard: &Heard) -> bool {
        let lines = lines(&heard.replies);
        let goes_on = |line: &String| line.as_bytes().get(3) == Some(&b'-');
        !lines.last().is_some_and(goes_on)
            && (heard.replies.is_empty() || heard.replies.ends_with(b"\r\n"))
            && self.expects_replies(&heard.replies)
            && self.closed == heard.closed
    }

    /// Whether the server may have said this.
    fn expects_replies(&self, octets: &[u8]) -> bool {
        let wanted: Vec<&str> = self
            .replies
            .iter()
            .flat_map(|line| repeated(line))
            .collect();
        are_like(&wanted, &lines(octets))
    }

    fn expects_deliveries(&self, deliveries: &[String]) -> bool {
        let mut wanted = self.deliveries.clone();
        wanted.retain(|delivery| delivery != "nothing");
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        are_like(&wanted, deliveries)
    }

    /// Puts down what the server did, where it is not what this turn says.
    pub fn rewrite(&mut self, heard: &Heard) {
        if !self.expects_replies(&heard.replies) {
            self.replies = shortened(&lines(&heard.replies));
        }
        if !self.expects_deliveries(&heard.deliveries) {
            self.deliveries.clone_from(&heard.deliveries);
            if self.deliveries.is_empty() {
                self.deliveries.push("nothing".into());
            }
        }
        self.closed = heard.closed;
    }
}

/// The lines of what a server said. What does not end in CRLF is a line too, with a mark.
pub fn lines(octets: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(octets);
    text.split_inclusive("\r\n")
        .map(|line| match line.strip_suffix("\r\n") {
            Some(line) => line.to_owned(),
            None => format!("{line} <without CRLF>"),
        })
        .collect()
}

/// Whether the lines are as the patterns say.
fn are_like(patterns: &[&str], lines: &[String]) -> bool {
    match (patterns, lines) {
        ([], []) => true,
        (["...", patterns @ ..], [_, rest @ ..]) => {
            are_like(patterns, rest) || are_like(&[&["..."], patterns].concat(), rest)
        }
        ([pattern, patterns @ ..], [line, rest @ ..]) => {
            let alike = match pattern.strip_suffix("...") {
                Some(start) => line.starts_with(start),
                None => line == pattern,
            };
            alike && are_like(patterns, rest)
        }
        _ => false,
    }
}

/// `line * 3` is three lines.
fn repeated(line: &str) -> Vec<&str> {
    match line.rsplit_once(" * ") {
        Some((line, times)) => match times.parse() {
            Ok(times) => vec![line; times],
            Err(_) => vec![line],
        },
        None => vec![line],
    }
}

/// More than three equal lines in a row as one.
pub fn shortened(lines: &[String]) -> Vec<String> {
    lines
        .chunk_by(|a, b| a == b)
        .flat_map(|run| match run {
            [line, _, _, _, ..] => vec![format!("{line} * {}", run.len())],
            _ => run.to_vec(),
        })
        .collect()
}

impl fmt::Display for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.turns.iter().try_for_each(|turn| turn.fmt(f))
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        for reply in &self.replies {
            writeln!(f, "S: {reply}")?;
        }
        for delivery in &self.deliveries {
            writeln!(f, "=> {delivery}")?;
        }
        if self.closed {
            f.write_str("! closed\n")?;
        }
        Ok(())
    }
}

#[test]
fn patterns() {
    let lines = ["250-mx", "250-SIZE 1", "250 HELP"].map(String::from);
    assert!(are_like(&["250-mx", "250-SIZE...", "250 HELP"], &lines));
    assert!(are_like(&["..."], &lines));
    assert!(are_like(&["250-mx", "...", "250 HELP"], &lines));
    assert!(!are_like(&["250-mx", "250 HELP"], &lines));
    assert!(!are_like(
        &["250-mx", "...", "250-SIZE 1", "250 HELP"],
        &lines
    ));
    assert!(!are_like(&["..."], &[]));
    assert_eq!(repeated("250 Ok * 2"), ["250 Ok", "250 Ok"]);
}

#[test]
fn what_is_read_is_written_back() {
    let text = "# Two.\n% recipients: 3\n\n== one\nS: 220 mx ESMTP\n\n# why\nC: QUIT\nS: 221...\n\
                ! closed\n\n== two\n% errors: 1\nC| \"a\" * 2\nS: 554\n=> nothing\n! closed\n";
    let dialogues = parse(text).expect("it is well formed");
    assert_eq!(
        dialogues
            .iter()
            .map(ToString::to_string)
            .collect::<String>(),
        text
    );
    let [one, two] = &dialogues[..] else {
        panic!("two dialogues, not {}", dialogues.len());
    };
    assert_eq!((one.settings.len(), two.settings.len()), (1, 2));
    assert_eq!(two.turns[0].octets, b"aa");
    assert_eq!(one.turns[1].octets, b"QUIT\r\n");
    assert!(parse("X: no\n").is_err());
}
