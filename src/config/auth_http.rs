//! The endpoint that nginx's mail proxy asks.

use std::net::SocketAddr;

use serde::de::{Deserialize, Deserializer};

use super::auth::{self, Auth};
use super::check::{Outcome, refuse};
use super::networks::networks;
use super::scalars::{self, Scalar};
use super::{Config, Protocol};
use crate::server::{Address, Networks};

/// The endpoint that nginx's mail proxy asks where mail may go.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct AuthHttpConfig {
    /// Where it listens; an IPv6 address means IPv6 only (default: 127.0.0.1:2580).
    #[serde(deserialize_with = "socket")]
    pub address: SocketAddr,
    /// Who may ask (default: this machine).
    #[serde(deserialize_with = "networks")]
    pub trusted: Networks,
    /// Where nginx is to hand the mail over (default: the first listener that speaks SMTP over TCP).
    #[serde(deserialize_with = "some_socket")]
    pub server: Option<SocketAddr>,
    /// Whether its clients can log in (default: off).
    pub auth: Auth,
}

impl Default for AuthHttpConfig {
    fn default() -> Self {
        let own = ["127.0.0.1/32", "::1/128"].map(str::parse);
        Self {
            address: ([127, 0, 0, 1], 2580).into(),
            trusted: Networks {
                networks: own.into_iter().flatten().collect(),
                unix: false,
            },
            server: None,
            auth: Auth::Off,
        }
    }
}

fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    deserializer.deserialize_any(Scalar {
        expected: "an address and a port, such as 127.0.0.1:2580",
        read: |text| scalars::socket(text, "127.0.0.1:2580"),
    })
}

fn some_socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    struct Given(SocketAddr);
    impl<'de> Deserialize<'de> for Given {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            socket(deserializer).map(Self)
        }
    }
    Ok(Option::<Given>::deserialize(deserializer)?.map(|given| given.0))
}

/// Refuses what would answer nobody, or send nginx nowhere.
pub(super) fn check(config: &Config) -> Outcome {
    let Some(auth_http) = &config.auth_http else {
        return Ok(());
    };
    refuse(
        cfg!(not(feature = "auth-http")),
        "auth_http",
        "is not in this build; build with `--features auth-http`",
    )?;
    let nobody = auth_http.trusted.networks.is_empty();
    refuse(
        nobody,
        "auth_http.trusted",
        "nobody may ask; write the address of nginx, such as [127.0.0.1]",
    )?;
    if auth_http.auth != Auth::Off {
        auth::check::passwords(config, "auth_http.auth")?;
    }
    let key = "auth_http.server";
    let nowhere = |server: SocketAddr| server.ip().is_unspecified();
    match (auth_http.server, first(config)) {
        (Some(server), _) => {
            let message = format!(
                "nginx cannot connect to {server}; write the address and port of a listener"
            );
            refuse(nowhere(server) || server.port() == 0, key, message)
        }
        (None, Some(server)) => {
            let message = format!(
                "the first listener is at {server}; write under which address nginx reaches it"
            );
            refuse(nowhere(server), key, message)
        }
        (None, None) => refuse(
            true,
            key,
            "no listener speaks SMTP over TCP; nginx needs one",
        ),
    }
}

/// The first listener that nginx can use.
fn first(config: &Config) -> Option<SocketAddr> {
    config
        .enabled()
        .find_map(|(_, listener)| match listener.address {
            Address::Tcp(address) if listener.protocol == Protocol::Smtp => Some(address),
            _ => None,
        })
}
