//! `maiasaura check`: whose word is believed about who a client is.

use std::io;
use std::net::TcpListener;

use super::say;
use crate::config::Config;
use crate::server::Networks;

/// Says what is dangerous, or of no use, and counts what cannot work.
pub(super) fn faults(config: &Config) -> u32 {
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
    auth_http(config)
}

fn auth_http(config: &Config) -> u32 {
    let Some(auth_http) = &config.auth_http else {
        return 0;
    };
    let mut listeners = config.listeners.iter();
    let is_told =
        listeners.any(|listener| !listener.xclient.is_empty() || listener.proxy_protocol.is_some());
    if !is_told {
        say(
            "warn  auth_http: no listener has nginx in its xclient: all mail will seem to come from nginx",
        );
    }
    let address = auth_http.address;
    match TcpListener::bind(address) {
        Ok(_) => say(&format!("ok    auth_http {address}")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => say(&format!(
            "warn  auth_http {address}: in use (by a running maiasaura?)"
        )),
        Err(error) => {
            say(&format!("FAULT auth_http {address}: {error}"));
            return 1;
        }
    }
    0
}
