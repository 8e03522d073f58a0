//! One writer at a time, where the table does not see to it that a key is there once.

use std::sync::Once;

use sqlx::{Row as _, query};

use super::fault::{Fault, Kind};
use super::link::{Link, wait};

const TAKE: &str = "SELECT CAST(GET_LOCK(?, ?) AS UNSIGNED)";
const LEAVE: &str = "DO RELEASE_LOCK(?)";

/// Until it was said that a server has no turns.
static UNTOLD: Once = Once::new();

/// Works while no other connection of ours to this server does so under this name. A connection that breaks
/// gives its turn back. A server that has no such thing, as nodes of some clusters, is written to without.
pub(super) fn alone<T>(
    link: &mut Link,
    name: &str,
    work: impl FnOnce(&mut Link) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let timeout = link.timeout;
    // Before the connection is given up for dead.
    let patience = (timeout / 2).as_secs();
    let taken = query(TAKE).bind(name).bind(patience);
    let taken = match wait("a turn", timeout, taken.fetch_one(&mut link.connection)) {
        Err(fault) if fault.kind == Kind::Refused => {
            UNTOLD.call_once(|| tell(&fault));
            return work(link);
        }
        outcome => outcome?,
    };
    if taken.try_get::<Option<u64>, _>(0)? != Some(1) {
        let message = "others write, and the table has no unique key for hash, with which they need not wait for \
                       each other; add one with: maiasaura schema mysql --apply";
        return Err(Fault::new(Kind::Collision, message));
    }
    let outcome = work(link);
    let is_over = matches!(&outcome, Err(fault) if matches!(fault.kind, Kind::Broken | Kind::Late));
    if is_over {
        return outcome;
    }
    let left = query(LEAVE).bind(name).execute(&mut link.connection);
    // A connection that cannot say so is given up, and its turn with it.
    let left = wait("the end of a turn", timeout, left).map(drop);
    outcome.and_then(|done| left.map(|()| done))
}

fn tell(fault: &Fault) {
    log::warn!(error:% = fault.message; "the server has no GET_LOCK, and the table no unique key for hash: a message that comes twice at \
        the same moment may have two rows; mend it with: maiasaura schema mysql --apply");
}
