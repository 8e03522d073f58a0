//! What the log says of the mail that an earlier run has left to be delivered.

use crate::maildir::{Recovered, Recovery};

pub(super) fn report(recovered: &Recovered) {
    let root = recovered.root.display();
    match &recovered.outcome {
        Recovery::Ready {
            found,
            waiting,
            torn,
        } => {
            if *torn {
                log::warn!(root:% = root; "the last write to the journal was cut off; nothing in it was acknowledged");
            }
            if *waiting > 0 {
                log::error!(root:% = root, messages = *waiting; "messages in the journal cannot be delivered yet");
            }
            if *found > *waiting {
                log::info!(root:% = root, messages = *found - *waiting; "delivered from the journal what was acknowledged before");
            }
        }
        Recovery::Busy => {
            log::warn!(root:% = root; "another process has the journal: messages are delivered without it");
        }
        Recovery::Unusable(error) => {
            log::error!(root:% = root, error:% = error; "no journal can be had: messages are delivered without it");
        }
    }
}
