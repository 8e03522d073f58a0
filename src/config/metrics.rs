//! Figures for Prometheus.

use std::net::SocketAddr;

use serde::de::Deserializer;

use super::Config;
use super::check::{Outcome, refuse};
use super::scalars::{self, Scalar};
use crate::server::Address;

/// Where figures are told, and whether all is well.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct MetricsConfig {
    /// Where it listens; an IPv6 address means IPv6 only (default: 127.0.0.1:9925).
    #[serde(deserialize_with = "socket")]
    pub address: SocketAddr,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            address: ([127, 0, 0, 1], 9925).into(),
        }
    }
}

fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    deserializer.deserialize_any(Scalar {
        expected: "an address and a port, such as 127.0.0.1:9925",
        read: |text| scalars::socket(text, "127.0.0.1:9925"),
    })
}

/// Refuses what this program cannot do, and an address that is taken already.
pub(super) fn check(config: &Config) -> Outcome {
    let Some(metrics) = &config.metrics else {
        return Ok(());
    };
    refuse(
        cfg!(not(feature = "metrics")),
        "metrics",
        "is not in this build; build with `--features metrics`",
    )?;
    let address = metrics.address;
    let is_ours = |listener: &Address| *listener == Address::Tcp(address);
    let mut listeners = config.enabled();
    let is_taken = listeners.any(|(_, listener)| is_ours(&listener.address))
        || config
            .auth_http
            .as_ref()
            .is_some_and(|it| it.address == address);
    refuse(
        is_taken && address.port() != 0,
        "metrics.address",
        format!("{address} is taken by something else in this file; choose another port"),
    )
}
