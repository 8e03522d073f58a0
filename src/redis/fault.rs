//! What goes wrong with Redis, how to mend it, and what a client of ours is told.

use ::redis::{RedisError, ServerError, Value, parse_redis_value};

use super::Endpoint;
use crate::failure::Failure;
use crate::smtp::reply;

/// Why something was not done; or perhaps done, where the connection broke on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody is there, or nobody who speaks to us, or the connection broke.
    #[error("Redis: {0}")]
    Down(String),
    /// The node of the cluster that has the key does not answer; others do.
    #[error("Redis: {0}")]
    Away(String),
    /// Redis is slow, and enough wait for it already.
    #[error("Redis is slow, and enough wait for it already")]
    Busy,
    /// It said no.
    #[error("Redis says {code} {text}{}", hint(.code))]
    Refused {
        /// The word that the error begins with, such as `WRONGTYPE`.
        code: String,
        /// The rest of it.
        text: String,
    },
    /// Its answer is none to what it was asked.
    #[error("Redis: an answer that makes no sense: {0}")]
    Odd(String),
}

/// What stands in place of the reply of a node that is away.
const AWAY: &str = "AWAY";

impl Fault {
    /// What a reply complains of, if it does.
    pub fn of(reply: &Value) -> Option<Self> {
        match reply {
            Value::ServerError(error) => Some(Self::from(error)),
            _ => None,
        }
    }

    /// The reply of a node that cannot give one.
    pub(super) fn away(why: &str) -> Value {
        let line = why.replace(['\r', '\n'], " ");
        let reply = parse_redis_value(format!("-{AWAY} {line}\r\n").as_bytes());
        reply.unwrap_or(Value::Nil)
    }

    /// The cause alone.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Down(why) | Self::Away(why) | Self::Odd(why) => why.clone(),
            fault => fault.to_string(),
        }
    }

    /// Whether it is an error of Redis that begins with this word.
    pub(super) fn is_code(&self, word: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == word)
    }

    /// Whether another node of the cluster has the key by now.
    pub(super) fn has_moved(&self) -> bool {
        ["MOVED", "ASK", "READONLY"]
            .iter()
            .any(|word| self.is_code(word))
    }

    /// The node that has it: of `MOVED 3999 10.0.0.1:6379` the end.
    pub(super) fn elsewhere(&self) -> Option<Endpoint> {
        let Self::Refused { text, .. } = self else {
            return None;
        };
        if !self.is_code("MOVED") && !self.is_code("ASK") {
            return None;
        }
        let (host, port) = text.split(' ').nth(1)?.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Endpoint::Tcp(host.to_owned(), port))
    }

    /// Whether another try on a new connection may go well: the master may be another by now.
    pub(super) fn is_of_place(&self) -> bool {
        let codes = ["READONLY", "LOADING", "MASTERDOWN", "MOVED", "ASK"];
        let more = ["CLUSTERDOWN", "TRYAGAIN", "NOAUTH"];
        let code = match self {
            Self::Refused { code, .. } => code.as_str(),
            _ => return false,
        };
        codes.contains(&code) || more.contains(&code)
    }

    /// Whether its memory is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "OOM")
    }
}

impl From<&ServerError> for Fault {
    fn from(error: &ServerError) -> Self {
        if error.code() == AWAY {
            return Self::Away(error.details().unwrap_or_default().to_owned());
        }
        Self::Refused {
            code: error.code().to_owned(),
            text: error.details().unwrap_or_default().to_owned(),
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Down("no answer in time".into());
        }
        match error.code() {
            Some(code) => Self::Refused {
                code: code.to_owned(),
                text: error.detail().unwrap_or_default().to_owned(),
            },
            None => Self::Down(error.to_string()),
        }
    }
}

/// Never permanent: whatever is wrong with Redis is ours to mend.
impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let reply = if fault.is_full() {
            reply::STORAGE_FULL
        } else {
            reply::LOCAL_FAULT
        };
        Self::new(reply, fault)
    }
}

/// How to mend it, where that is known.
fn hint(code: &str) -> &'static str {
    match code {
        "OOM" => " (raise maxmemory, or lower redis.expire)",
        "NOAUTH" | "WRONGPASS" => " (see redis.user and redis.password_file)",
        "NOPERM" => " (allow the user of redis.user that command and those keys: ACL SETUSER)",
        "READONLY" => " (that is a replica: write the master into redis.address)",
        "WRONGTYPE" => " (something else is at that key: write another prefix)",
        "MISCONF" => " (it cannot write to its disk: see its log)",
        "MOVED" | "ASK" => " (that is a cluster: write redis: {cluster: true})",
        _ => "",
    }
}
