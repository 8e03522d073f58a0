//! Users whom Redis knows.

use std::sync::Arc;

use crate::recipients::{Pending, UserSource};
use crate::redis::{Client, Command, Fault, Value, command};
use crate::smtp::address::Mailbox;

/// What may be asked: each says 1 or 0, and changes nothing.
const QUESTIONS: [&str; 3] = ["SISMEMBER", "EXISTS", "HEXISTS"];

/// Asks Redis about users, with a command of the operator's.
#[derive(Debug)]
pub(super) struct RedisUsers {
    client: Arc<Client>,
    /// Its words, with what stands for the mailbox.
    words: Vec<String>,
}

impl RedisUsers {
    /// One who asks this: `SISMEMBER users {address}`, say.
    pub(super) fn new(client: Arc<Client>, question: &str) -> Result<Self, String> {
        let words: Vec<String> = question.split_whitespace().map(str::to_owned).collect();
        let name = words
            .first()
            .map(|word| word.to_uppercase())
            .unwrap_or_default();
        let is_known = QUESTIONS.contains(&name.as_str());
        let count = if name == "EXISTS" { 2 } else { 3 };
        if !is_known || words.len() != count {
            return Err(format!(
                "{question:?} is no question; write one such as \"SISMEMBER users {{address}}\", \
                 \"EXISTS user:{{address}}\" or \"HEXISTS users {{address}}\""
            ));
        }
        if !["{address}", "{user}"]
            .iter()
            .any(|name| question.contains(name))
        {
            return Err(format!(
                "{question:?} asks about nobody; write {{address}} into it"
            ));
        }
        Ok(Self { client, words })
    }

    /// A word stays a word, whatever is in the address.
    fn question(&self, mailbox: &Mailbox) -> Command {
        let mut words = self.words.iter();
        let mut question = command(words.next().map_or("EXISTS", String::as_str));
        for word in words {
            question.arg(filled(word, mailbox));
        }
        question
    }
}

/// In one pass: what an address holds is not looked at again.
fn filled(word: &str, mailbox: &Mailbox) -> String {
    let mut filled = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let values = [
            ("{address}", mailbox.to_string()),
            ("{user}", mailbox.local_part().to_owned()),
            ("{host}", mailbox.domain().to_string()),
        ];
        let found = values.into_iter().find(|(name, _)| from.starts_with(name));
        let (taken, value) = found.map_or((1, "{".to_owned()), |(name, value)| (name.len(), value));
        filled.push_str(&value);
        rest = &from[taken..];
    }
    filled.push_str(rest);
    filled
}

impl UserSource for RedisUsers {
    fn name(&self) -> &'static str {
        "Redis"
    }

    fn knows<'a>(&'a self, mailbox: &'a Mailbox) -> Pending<'a, Result<bool, String>> {
        let (client, question) = (Arc::clone(&self.client), self.question(mailbox));
        Box::pin(async move {
            let answers = smol::unblock(move || client.run(vec![question])).await;
            match answers.map_err(|fault| fault.to_string())?.first() {
                Some(Value::Int(number)) => Ok(*number > 0),
                odd => Err(Fault::Odd(format!("{odd:?}")).to_string()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_one_word() {
        for (word, address, expected) in [
            ("{address}", "alice@example.org", "alice@example.org"),
            (
                "user:{user}:{host}",
                "alice@example.org",
                "user:alice:example.org",
            ),
            (
                "{x}{address}",
                "\"{user} *\"@example.org",
                "{x}\"{user} *\"@example.org",
            ),
        ] {
            let mailbox = Mailbox::parse(address).expect("an address");
            assert_eq!(filled(word, &mailbox), expected);
        }
    }
}
