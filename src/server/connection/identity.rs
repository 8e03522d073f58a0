//! XCLIENT: another client than the peer of the connection.

use std::net::SocketAddr;

use super::Connection;
use crate::envelope::{Client, Proxy};
use crate::smtp::reply;
use crate::smtp::xclient::{Attribute, Identity};

impl<S> Connection<S> {
    /// Takes the client that XCLIENT names for that of the connection, if there are not too many
    /// from its address.
    pub(super) fn identify(&mut self, identity: Identity) {
        let client = &mut self.client;
        client.proxy.get_or_insert(Proxy::from(client.address));
        if !std::mem::replace(&mut self.is_named, true) {
            // What is true of the peer is not true of another client.
            (client.port, client.login) = (None, None);
            if let Some(tls) = &mut client.tls {
                tls.certificate = None;
            }
        }
        let moves = identity.address != Attribute::Absent;
        put(client, identity);
        self.log.introduced(client);
        let has_room = !moves || self.place.move_to(client.address);
        self.session.believe(self.client.login.clone());
        self.offer_logins();
        self.session.identified(if has_room {
            Ok(())
        } else {
            Err(reply::TOO_MANY_CONNECTIONS)
        });
    }
}

/// Changes what is known of a client.
fn put(client: &mut Client, identity: Identity) {
    let Identity {
        name,
        address,
        port,
        login,
        server_address,
        server_port,
        // The session knows how the client greets.
        greeting: _,
        helo: _,
    } = identity;
    name.put(&mut client.name);
    address.put(&mut client.address);
    port.put(&mut client.port);
    login.put(&mut client.login);
    let mut at = client.server.map(|server| server.ip());
    let mut with = client.server.map(|server| server.port());
    server_address.put(&mut at);
    server_port.put(&mut with);
    client.server = at.map(|address| SocketAddr::new(address, with.unwrap_or(0)));
}
