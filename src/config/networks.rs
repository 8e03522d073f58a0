//! Lists of networks: `[192.0.2.10, 10.0.0.0/8, unix]`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor, value};

use crate::server::Networks;

/// Who is on a Unix socket.
const UNIX: &str = "unix";

/// Networks; a single one may stand without brackets, and `~` is none.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Networks, D::Error> {
    some_networks(deserializer).map(Option::unwrap_or_default)
}

/// The same, where an empty list is not the same as none.
pub(super) fn some_networks<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Networks>, D::Error> {
    deserializer.deserialize_any(List)
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Option<Networks>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses and networks, such as [192.0.2.10, 10.0.0.0/8]")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
        if on {
            let message = "true does not say who is believed; write the addresses of your proxies, \
                           such as [192.0.2.10]";
            return Err(E::custom(message));
        }
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        read([text]).map(Some).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let words = Vec::<String>::deserialize(value::SeqAccessDeserializer::new(list))?;
        let words = words.iter().map(String::as_str);
        read(words).map(Some).map_err(A::Error::custom)
    }
}

fn read<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Networks, String> {
    let mut networks = Networks::default();
    for word in words {
        match word {
            UNIX => networks.unix = true,
            word => networks.networks.push(network(word)?),
        }
    }
    Ok(networks)
}

/// `192.0.2.10` or `10.0.0.0/8`, as an IPv4 network even if it is written as a mapped one.
fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.parse().map_err(|_| {
        format!("{text:?} is no address and no network; write one such as 192.0.2.10 or 10.0.0.0/8")
    })?;
    if network.trunc() != network {
        return Err(format!(
            "{text:?} has bits beyond its prefix; write {} for the network, or {} for the one address",
            network.trunc(),
            network.addr()
        ));
    }
    Ok(network)
}
