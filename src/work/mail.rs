//! An entry of a stream becomes mail again.

use std::time::{Duration, UNIX_EPOCH};

use crate::envelope::{Client, Envelope, Mail, Recipient, Tls, Transmission};
use crate::failure::Failure;
use crate::recipients::Recipients;
use crate::smtp::address::{ForwardPath, ReversePath};
use crate::smtp::reply;
use crate::spool::Slip;
use crate::stream::Parcel;

/// The message, for whom it is as `recipients` have it here.
///
/// # Errors
///
/// An envelope that cannot be read, or a recipient that is none here.
pub(super) async fn mail(parcel: &Parcel, recipients: &Recipients) -> Result<Mail, Failure> {
    let slip = &parcel.slip;
    let (reverse_path, forward_path) = paths(slip)?;
    let recipient = recipient(slip, forward_path, recipients).await?;
    let transmission = transmission(&slip.transmission);
    let envelope = Envelope {
        id: slip.id.clone(),
        received: UNIX_EPOCH + Duration::from_millis(slip.received),
        host: slip.host.clone(),
        client: client(slip),
        transmission,
        reverse_path,
        recipients: vec![recipient],
        binary: slip.binary,
    };
    let mail = Mail::new(envelope, parcel.content.clone());
    Ok(mail.with_keys(vec![slip.key.clone()]))
}

fn paths(slip: &Slip) -> Result<(ReversePath, ForwardPath), Failure> {
    let (from, to) = (format!("<{}>", slip.mail_from), format!("<{}>", slip.rcpt));
    let parsed = (ReversePath::parse(&from), ForwardPath::parse(&to));
    if let (Ok((from, "")), Ok((to, ""))) = parsed {
        return Ok((from, to));
    }
    let cause = format!("no addresses: from {from} to {to}");
    Err(Failure::new(reply::BAD_RECIPIENT, cause))
}

/// The one mailbox of those that the recipient leads to here; where it leads to others here, that
/// mailbox itself.
async fn recipient(
    slip: &Slip,
    forward_path: ForwardPath,
    recipients: &Recipients,
) -> Result<Recipient, Failure> {
    let Some(mailbox) = slip.mailboxes.first() else {
        return recipients.find(&forward_path).await;
    };
    let found = recipients.find(&forward_path).await;
    if let Ok(mut found) = found {
        found
            .destinations
            .retain(|destination| destination.mailbox.to_string() == *mailbox);
        if !found.destinations.is_empty() {
            return Ok(found);
        }
    }
    let Ok((itself, "")) = ForwardPath::parse(&format!("<{mailbox}>")) else {
        let cause = format!("{mailbox} is no mailbox");
        return Err(Failure::new(reply::BAD_RECIPIENT, cause));
    };
    let found = recipients.find(&itself).await?;
    Ok(Recipient {
        forward_path,
        ..found
    })
}

/// As much as the slip has of it.
fn client(slip: &Slip) -> Client {
    let tls = slip.tls.clone().map(|version| Tls {
        version,
        cipher: String::new(),
        server_name: None,
        certificate: None,
    });
    Client {
        address: slip.client,
        port: slip.port,
        server: slip.server,
        helo: slip.helo.clone(),
        tls,
        login: slip.login.clone(),
        ..Client::default()
    }
}

/// What the "with" word was made of; S and A come from TLS and the login.
fn transmission(with: &str) -> Transmission {
    for (word, transmission) in [
        ("UTF8SMTP", Transmission::Utf8Smtp),
        ("UTF8LMTP", Transmission::Utf8Lmtp),
        ("ESMTP", Transmission::Esmtp),
        ("LMTP", Transmission::Lmtp),
        ("SMTP", Transmission::Smtp),
    ] {
        if with.starts_with(word) {
            return transmission;
        }
    }
    Transmission::Local
}
