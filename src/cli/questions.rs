//! `maiasaura check`: where other programs may ask something over HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::say;
use crate::config::Config;

/// Counts what cannot work.
pub(super) fn faults(config: &Config) -> u32 {
    auth_http(config) + metrics(config)
}

fn auth_http(config: &Config) -> u32 {
    let Some(auth_http) = &config.auth_http else {
        return 0;
    };
    let mut listeners = config.enabled();
    let is_told = listeners
        .any(|(_, listener)| !listener.xclient.is_empty() || listener.proxy_protocol.is_some());
    if !is_told {
        say(
            "warn  auth_http: no listener has nginx in its xclient: all mail will seem to come from nginx",
        );
    }
    fault("auth_http", auth_http.address)
}

fn metrics(config: &Config) -> u32 {
    let Some(metrics) = &config.metrics else {
        return 0;
    };
    if !metrics.address.ip().is_loopback() {
        say(
            "warn  metrics: whoever can connect there sees the figures: let a firewall or a proxy \
             decide who may, or write an address of this machine, such as 127.0.0.1:9925",
        );
    }
    fault("metrics", metrics.address)
}

/// Whether it cannot be listened there, for another reason than that somebody does.
fn fault(name: &str, address: SocketAddr) -> u32 {
    match TcpListener::bind(address) {
        Ok(_) => say(&format!("ok    {name} {address}")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => say(&format!(
            "warn  {name} {address}: in use (by a running maiasaura?)"
        )),
        Err(error) => {
            say(&format!("FAULT {name} {address}: {error}"));
            return 1;
        }
    }
    0
}
