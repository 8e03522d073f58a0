//! One order: from the account to the certificate (RFC 8555 section 7.4).

use std::time::Duration;

use rcgen_013::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_acme::acme::{Account, Auth, AuthStatus, Identifier, OrderStatus};
use smol::Timer;
use smol::future::or;

use super::fault::{Fault, Kind};
use super::{Acme, Challenge};

/// How long a whole order may take.
const PATIENCE: Duration = Duration::from_mins(15);
/// How long to wait before it is asked how far it is: first, and at most.
const GLANCE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How long a validation, or an issuance, may take.
const LONG: Duration = Duration::from_mins(3);

/// Pauses between questions how far something is, each longer than the one before.
struct Pauses {
    next: Duration,
    left: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self {
            next: GLANCE.0,
            left: LONG,
        }
    }

    /// Waits; an error when it has taken too long.
    async fn pause(&mut self, what: &str) -> Result<(), Fault> {
        if self.left.is_zero() {
            let said = format!("{what} takes more than {} s", LONG.as_secs());
            return Err(Fault::new(Kind::Unreachable, said));
        }
        Timer::after(self.next).await;
        self.left = self.left.saturating_sub(self.next);
        self.next = (self.next * 2).min(GLANCE.1);
        Ok(())
    }
}

impl Acme {
    /// Gets a certificate: its key, itself and its chain, in PEM.
    pub(super) async fn order(&self, account_key: &[u8]) -> Result<String, Fault> {
        let late = async {
            Timer::after(PATIENCE).await;
            let said = format!("an order takes more than {} s", PATIENCE.as_secs());
            Err(Fault::new(Kind::Unreachable, said))
        };
        let _withdrawal = self.answers.withdrawn_at_end();
        or(self.order_patiently(account_key), late).await
    }

    async fn order_patiently(&self, account_key: &[u8]) -> Result<String, Fault> {
        let directory = &self.directory;
        let (tls, settings) = (&directory.tls, &self.settings);
        let found = directory.find().await?;
        let account = directory
            .ask("the account", || {
                let (found, contact) = (found.clone(), &settings.contact);
                Account::create_with_keypair(tls, found, contact, account_key)
            })
            .await?;
        let (key, request) = request(&settings.domains)?;
        let chain = self.issue(&account, &request).await?;
        Ok(format!("{key}\n{chain}"))
    }

    /// Has a certificate issued upon a request; returns its chain in PEM.
    async fn issue(&self, account: &Account, request: &[u8]) -> Result<String, Fault> {
        let (directory, tls) = (&self.directory, &self.directory.tls);
        let (url, mut order) = directory
            .ask("the order", || {
                account.new_order(tls, self.settings.domains.clone())
            })
            .await?;
        let url = &url;
        let mut pauses = Pauses::new();
        loop {
            match order.status {
                OrderStatus::Pending => {
                    for authorization in &order.authorizations {
                        self.authorize(account, authorization).await?;
                    }
                }
                OrderStatus::Processing => {}
                OrderStatus::Ready => {
                    directory
                        .ask("the request for a certificate", || {
                            account.finalize(tls, &order.finalize, request)
                        })
                        .await?;
                }
                OrderStatus::Valid { certificate } => {
                    return directory
                        .ask("the certificate", || account.certificate(tls, &certificate))
                        .await;
                }
                OrderStatus::Invalid => {
                    let detail = order.error.and_then(|problem| problem.detail);
                    let detail = detail.unwrap_or_else(|| "no reason is given".into());
                    return Err(Fault::new(Kind::Refused, format!("the order: {detail}")));
                }
            }
            pauses.pause("the issuance").await?;
            order = directory
                .ask("the order", || account.order(tls, url))
                .await?;
        }
    }

    /// Shows that a name is ours (RFC 8555 section 7.5).
    async fn authorize(&self, account: &Account, url: &str) -> Result<(), Fault> {
        let (directory, tls) = (&self.directory, &self.directory.tls);
        let look = || directory.ask("the authorization", || account.auth(tls, url));
        let mut authorization = look().await?;
        if matches!(authorization.status, AuthStatus::Pending) {
            let challenge = self.answer(account, &authorization)?;
            directory
                .ask("the challenge", || account.challenge(tls, &challenge))
                .await?;
        }
        let Identifier::Dns(domain) = &authorization.identifier;
        let what = format!("the validation of {domain}");
        let mut pauses = Pauses::new();
        loop {
            match authorization.status {
                AuthStatus::Valid => return Ok(()),
                AuthStatus::Pending => {}
                _ => return Err(self.unmet(&authorization)),
            }
            pauses.pause(&what).await?;
            authorization = look().await?;
        }
    }

    /// Makes ready to answer, and returns the URL by which to say so.
    fn answer(&self, account: &Account, authorization: &Auth) -> Result<String, Fault> {
        let Identifier::Dns(domain) = &authorization.identifier;
        let challenges = &authorization.challenges;
        let not_offered = |error| {
            let fault = Fault::of("the challenge", &error);
            Fault::new(
                Kind::Refused,
                format!("{domain}: {fault}; write another challenge"),
            )
        };
        let challenge = match self.settings.challenge {
            Challenge::Http01 => {
                let (challenge, text) = account.http_01(challenges).map_err(not_offered)?;
                self.answers.add_text(challenge.token.clone(), text);
                challenge
            }
            Challenge::TlsAlpn01 => {
                let answer = account.tls_alpn_01(challenges, domain.clone());
                let (challenge, certificate) = answer.map_err(not_offered)?;
                self.answers.add_certificate(domain, certificate);
                challenge
            }
        };
        Ok(challenge.url.clone())
    }

    fn unmet(&self, authorization: &Auth) -> Fault {
        let Identifier::Dns(domain) = &authorization.identifier;
        let mut challenges = authorization.challenges.iter();
        let problem = challenges.find_map(|challenge| challenge.error.as_ref());
        let mend = match self.settings.challenge {
            Challenge::Http01 => "its port 80 must lead here, in all its addresses (A and AAAA)",
            Challenge::TlsAlpn01 => {
                "its port 443 must lead here, in all its addresses (A and AAAA)"
            }
        };
        Fault::unmet(domain, problem, mend)
    }
}

/// A new key in PEM, and the request for a certificate of it in DER (RFC 2986).
fn request(domains: &[String]) -> Result<(String, Vec<u8>), Fault> {
    let make = || {
        let mut parameters = CertificateParams::new(domains.to_vec())?;
        parameters.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let request = parameters.serialize_request(&key)?;
        Ok((key.serialize_pem(), request.der().to_vec()))
    };
    make().map_err(|error: rcgen_013::Error| {
        Fault::new(
            Kind::Refused,
            format!("no certificate can be asked for: {error}"),
        )
    })
}
