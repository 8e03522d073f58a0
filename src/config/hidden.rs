//! Texts that nobody is to see.

use std::fmt;
use std::ops::Deref;

/// A password or the like: it is not told with the configuration that it stands in.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt("(hidden)", f)
    }
}

impl Deref for Hidden {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Hidden {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, FastcgiConfig, MysqlConfig, RedisConfig};

    #[test]
    fn no_secret_is_shown_with_the_configuration() {
        let config = Config {
            fastcgi: Some(FastcgiConfig {
                secret: Some("tops3cret".into()),
                ..FastcgiConfig::default()
            }),
            redis: Some(RedisConfig {
                password: Some("tops3cret".into()),
                ..RedisConfig::default()
            }),
            mysql: Some(MysqlConfig {
                password: Some("tops3cret".into()),
                ..MysqlConfig::default()
            }),
            ..Config::default()
        };
        let shown = format!("{config:?}");
        assert_eq!(shown.matches("Some(\"(hidden)\")").count(), 3, "{shown}");
        assert!(!shown.contains("tops3cret"), "{shown}");
    }
}
