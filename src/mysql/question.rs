//! A statement of the operator that finds a user.

/// A statement with places for an address or its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// With `?` for each part.
    pub(super) statement: String,
    pub(super) parts: Vec<Part>,
}

/// What goes into a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Address,
    Local,
    Domain,
}

/// Why a statement cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(String);

const NAMES: [(&str, Part); 3] = [
    (":address", Part::Address),
    (":local", Part::Local),
    (":domain", Part::Domain),
];

impl Question {
    /// Reads a statement: `?` and `:address` stand for the address, `:local` and `:domain` for its
    /// parts. They are bound and never become part of the statement; within quotes they mean nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and how to mend it.
    pub fn read(text: &str) -> Result<Self, QuestionError> {
        let text = text.trim().trim_end_matches(';');
        let verb = text.split(|c: char| !c.is_ascii_alphabetic()).next();
        let is_reading = |verb: &str| ["SELECT", "WITH"].contains(&verb.to_uppercase().as_str());
        if !verb.is_some_and(is_reading) {
            let why = "is no SELECT; write one that yields a row for a user, such as \
                       SELECT 1 FROM users WHERE address = ?";
            return Err(QuestionError(why.into()));
        }
        let mut question = Self {
            statement: String::new(),
            parts: Vec::new(),
        };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let length = match c {
                '\'' | '"' | '`' => quoted(rest, c)?,
                '?' => {
                    question.parts.push(Part::Address);
                    1
                }
                ':' => {
                    rest = &rest[question.name(rest)?..];
                    continue;
                }
                ';' => {
                    return Err(QuestionError(
                        "has a second statement in it; keep one".into(),
                    ));
                }
                c => c.len_utf8(),
            };
            question.statement.push_str(&rest[..length]);
            rest = &rest[length..];
        }
        if question.parts.is_empty() {
            let why = "does not ask about the address; write ?, :address, :local or :domain where it belongs";
            return Err(QuestionError(why.into()));
        }
        Ok(question)
    }

    /// Takes a name with its colon, and tells how long it is.
    fn name(&mut self, rest: &str) -> Result<usize, QuestionError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest[1..]
            .find(|c| !is_part(c))
            .map_or(rest.len(), |end| end + 1);
        // `:=` assigns a variable.
        if end == 1 {
            self.statement.push(':');
            return Ok(1);
        }
        let name = &rest[..end];
        let Some((_, part)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let why = format!("has {name} in it; known are :address, :local and :domain");
            return Err(QuestionError(why));
        };
        self.parts.push(*part);
        self.statement.push('?');
        Ok(end)
    }
}

/// How long what is quoted at the beginning is, its quotes included.
fn quoted(text: &str, quote: char) -> Result<usize, QuestionError> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' && quote != '`' {
            is_escaped = true;
        } else if c == quote {
            return Ok(at + 1);
        }
    }
    Err(QuestionError(format!(
        "has no end to what begins with {quote}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bound() {
        for (text, statement, parts) in [
            (
                "SELECT 1 FROM u WHERE a = ?",
                "SELECT 1 FROM u WHERE a = ?",
                vec![Part::Address],
            ),
            (
                " select x from u where l=:local and d=:domain; ",
                "select x from u where l=? and d=?",
                vec![Part::Local, Part::Domain],
            ),
            (
                r"SELECT '?:local\'?', `a?`, @v := 1 FROM u WHERE a IN (:address, ?)",
                r"SELECT '?:local\'?', `a?`, @v := 1 FROM u WHERE a IN (?, ?)",
                vec![Part::Address, Part::Address],
            ),
        ] {
            let question = Question::read(text).unwrap();
            assert_eq!(
                (question.statement.as_str(), question.parts),
                (statement, parts)
            );
        }
    }

    #[test]
    fn what_is_no_question() {
        for (text, complaint) in [
            ("DELETE FROM u WHERE a = ?", "is no SELECT"),
            ("", "is no SELECT"),
            ("SELECT 1 FROM u", "does not ask about the address"),
            ("SELECT '?' FROM u", "does not ask about the address"),
            (
                "SELECT 1 FROM u WHERE a = :user",
                "has :user in it; known are",
            ),
            ("SELECT 1 WHERE a = ?; DROP TABLE u", "a second statement"),
            ("SELECT 'x WHERE a = ?", "has no end to what begins with '"),
        ] {
            let error = Question::read(text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
