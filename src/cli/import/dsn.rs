//! The name of a data source, as Go's driver for MySQL reads it.

use std::time::Duration;

use super::php::duration;

/// A name, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) address: String,
    pub(super) database: String,
    pub(super) tls: Option<&'static str>,
    /// Until there is a connection.
    pub(super) connect_timeout: Option<Duration>,
    /// Until a statement is done: the longer one of those for reading and for writing.
    pub(super) timeout: Option<Duration>,
    /// Parameters without a counterpart, as they are written.
    pub(super) others: Vec<String>,
}

/// Nobody waits longer for a database.
const LONGEST: Duration = Duration::from_hours(24);

/// `user:password@tcp(host:port)/database?parameters`, as Go's driver reads it.
pub(super) fn source(dsn: &str) -> Option<Source> {
    let (before, after) = dsn.rsplit_once('/')?;
    let (database, parameters) = after.split_once('?').unwrap_or((after, ""));
    let (who, place) = before.rsplit_once('@').unwrap_or(("", before));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let (net, address) = match place.split_once('(') {
        Some((net, rest)) => (net, rest.strip_suffix(')')?),
        None => (place, ""),
    };
    let address = match (net, address) {
        ("unix", path) if path.starts_with('/') => format!("unix:{path}"),
        ("unix", _) => "unix:/tmp/mysql.sock".to_owned(),
        ("" | "tcp", "") => "127.0.0.1:3306".to_owned(),
        ("tcp", address) => address.to_owned(),
        _ => return None,
    };
    let mut source = Source {
        user: user.to_owned(),
        password: password.to_owned(),
        address,
        database: database.to_owned(),
        ..Source::default()
    };
    for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
        source.take(parameter);
    }
    Some(source)
}

impl Source {
    fn take(&mut self, parameter: &str) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let time = || duration(value).filter(|time| !time.is_zero() && *time <= LONGEST);
        let tls = match value {
            "true" => Some("verified"),
            "skip-verify" => Some("required"),
            "preferred" => Some("preferred"),
            "false" => Some("off"),
            _ => None,
        };
        match (name, tls, time()) {
            ("tls", Some(word), _) => self.tls = Some(word),
            ("timeout", _, Some(time)) => self.connect_timeout = Some(time),
            ("readTimeout" | "writeTimeout", _, Some(time)) => {
                self.timeout = self.timeout.max(Some(time));
            }
            _ => self.others.push(parameter.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_data_sources() {
        for (dsn, user, password, address, database, tls) in [
            ("u:p@tcp(h:1)/d", "u", "p", "h:1", "d", None),
            (
                "u:p/@:x@tcp(127.0.0.1:3306)/d?tls=true",
                "u",
                "p/@:x",
                "127.0.0.1:3306",
                "d",
                Some("verified"),
            ),
            (
                "u@unix(/run/my.sock)/d?tls=skip-verify",
                "u",
                "",
                "unix:/run/my.sock",
                "d",
                Some("required"),
            ),
            ("u:p@/d", "u", "p", "127.0.0.1:3306", "d", None),
            ("/", "", "", "127.0.0.1:3306", "", None),
        ] {
            let expected = Source {
                user: user.into(),
                password: password.into(),
                address: address.into(),
                database: database.into(),
                tls,
                ..Source::default()
            };
            assert_eq!(source(dsn), Some(expected), "{dsn}");
        }
        for odd in ["", "u:p@tcp(h:1)", "u@tcp(h:1/d", "u@pipe(x)/d"] {
            assert_eq!(source(odd), None, "{odd}");
        }
    }
    #[test]
    fn parameters_of_data_sources() {
        let name = "u@/d?timeout=1m&readTimeout=9s&&writeTimeout=500ms&loc=UTC&x&tls=mine";
        let read = source(name).unwrap();
        assert_eq!(read.connect_timeout, Some(Duration::from_mins(1)));
        assert_eq!(read.timeout, Some(Duration::from_secs(9)));
        assert_eq!(read.tls, None);
        assert_eq!(read.others, ["loc=UTC", "x", "tls=mine"]);
        let odd = "readTimeout=0s&timeout=1&writeTimeout=48h";
        let read = source(&format!("u@/d?{odd}")).unwrap();
        assert_eq!((read.timeout, read.connect_timeout), (None, None));
        assert_eq!(read.others.join("&"), odd);
    }
}
