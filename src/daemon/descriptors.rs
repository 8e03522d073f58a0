//! File descriptors: how many this process may have, and how many it may need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Descriptors;

/// Raises the soft limit to the hard one. Every connection and every open Maildir takes
/// descriptors; the usual soft limit of 1,024 is for programs that use select(2), as we do not.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::debug!(error:% = error; "the soft limit of file descriptors stays as it is");
    }
}

/// Warns in the log where there may be too few, in one line that says what mends it; `needed` is
/// what [`Running::descriptors`](super::Running::descriptors) says.
pub fn warn(needed: &Descriptors) {
    if let Some(available) = lack(getrlimit(Resource::Nofile).current, needed) {
        log::warn!(available = available, needed = needed.total(); "few file descriptors for all that limits allow: {}", remedy(available, needed));
    }
}

/// How many this process could have and what to do, if that is too few.
pub fn too_few(needed: &Descriptors) -> Option<(u64, String)> {
    let available = lack(getrlimit(Resource::Nofile).maximum, needed)?;
    Some((available, remedy(available, needed)))
}

/// How many there are, if that is too few; none is no limit.
fn lack(available: Option<u64>, needed: &Descriptors) -> Option<u64> {
    available.filter(|available| *available < needed.total())
}

fn remedy(available: u64, needed: &Descriptors) -> String {
    let total = needed.total();
    let keys = needed.to_lower(total.saturating_sub(available));
    let keys = keys
        .iter()
        .map(|(key, takes)| format!("{key} (takes {takes})"));
    let keys = keys.collect::<Vec<_>>().join(" and ");
    format!(
        "write LimitNOFILE={total} into the unit of systemd, or ulimit -n {total} before the start, \
         or lower {keys}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_most_is_named() {
        let needed = Descriptors {
            by_key: vec![("a", 2), ("b", 3000), ("c", 0), ("d", 400)],
            others: 100,
        };
        for (available, keys) in [
            (3501, "b (takes 3000)"),
            (502, "b (takes 3000)"),
            (501, "b (takes 3000) and d (takes 400)"),
            (10, "b (takes 3000) and d (takes 400) and a (takes 2)"),
        ] {
            let said = remedy(available, &needed);
            assert!(said.contains("LimitNOFILE=3502 "), "{said}");
            assert!(said.ends_with(&format!("or lower {keys}")), "{said}");
        }
        assert_eq!(lack(Some(3502), &needed), None);
        assert_eq!(lack(None, &needed), None);
    }
}
