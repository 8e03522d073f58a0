//! `maiasaura check`: whose word is believed about who a client is.

use super::say;
use crate::config::Config;
use crate::server::Networks;

/// Says what is dangerous, or of no use.
pub(super) fn warn(config: &Config) {
    for listener in &config.listeners {
        let address = &listener.address;
        let proxies = listener.proxy_protocol.as_ref();
        for (key, trusted) in [
            ("proxy_protocol", proxies),
            ("xclient", Some(&listener.xclient)),
        ] {
            if trusted.is_some_and(Networks::hold_everybody) {
                say(&format!(
                    "warn  listener {address}: {key} holds every address: anybody can pretend to be \
                     anybody; write the addresses of your proxies"
                ));
            }
        }
        if let Some(proxies) = proxies {
            say(&format!(
                "ok    listener {address}: only for proxies at {proxies}"
            ));
        }
    }
    let exempt = &config.auth.exempt;
    if exempt.hold_everybody() {
        say(
            "warn  auth.exempt: holds every address: anybody can try passwords without end; write the \
             address of your webmail",
        );
    } else if !exempt.is_empty() {
        say(&format!("ok    auth.exempt: never locked out: {exempt}"));
    }
}
