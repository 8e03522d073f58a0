//! Networks whose word is believed.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks, and perhaps whoever may open our Unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// The networks of peers on TCP.
    pub networks: Vec<IpNet>,
    /// Peers on a Unix socket, who have no address: its mode says who may connect.
    pub unix: bool,
}

impl Networks {
    /// Whether the peer of a connection is in one of them; none is that of a Unix socket.
    pub fn contain(&self, peer: Option<IpAddr>) -> bool {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
            return self.unix;
        };
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whether a whole family of addresses is believed.
    pub fn hold_everybody(&self) -> bool {
        self.networks
            .iter()
            .any(|network| network.prefix_len() == 0)
    }

    /// Whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let unix = self.unix.then(|| "unix".to_owned());
        let all: Vec<String> = networks.chain(unix).collect();
        f.write_str(&all.join(", "))
    }
}

#[test]
fn who_is_in_a_network() {
    let networks = Networks {
        networks: vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ],
        unix: false,
    };
    for (peer, is_in) in [
        ("10.255.0.1", true),
        ("11.0.0.1", false),
        ("::ffff:10.0.0.1", true),
        ("2001:db8:1::1", true),
        ("2001:db9::1", false),
    ] {
        assert_eq!(networks.contain(peer.parse().ok()), is_in, "{peer}");
    }
    assert!(!networks.contain(None));
    assert!(
        Networks {
            unix: true,
            ..networks
        }
        .contain(None)
    );
}
