//! Pebble in a folder of its own, with a DNS in which every name is 127.0.0.1.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::program::{MAIASAURA, program, succeed};
use crate::receiver::{Receiver, folder};
use crate::service::{Service, free_port};

/// What Pebble is to be like.
pub struct Manner {
    /// How long certificates hold, in seconds.
    pub validity: u32,
    /// How many good nonces of a hundred are refused.
    pub refused_nonces: u32,
}

/// How certificates are when nothing is about their time.
pub const LONG: Manner = Manner {
    validity: 90 * 24 * 3600,
    refused_nonces: 0,
};

/// A directory that can be started and stopped; its ports stay the same.
pub struct Pebble {
    folder: TempDir,
    directory: u16,
    management: u16,
    dns: u16,
    manner: Manner,
    /// Where challenges of each kind are looked for.
    pub tls: u16,
    pub http: u16,
    _names: Service,
    running: Option<Service>,
}

impl Pebble {
    /// One that is not running yet.
    pub fn new(manner: Manner) -> Self {
        let folder = folder();
        let (dns, own) = (free_port(), free_port());
        let mut names = program("pebble-challtestsrv");
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-defaultIPv6", "", "-dns01"]);
        names.arg(format!("127.0.0.1:{dns}"));
        names.arg("-management").arg(format!("127.0.0.1:{own}"));
        let mut names = Service::start("names", &mut names, folder.path());
        names.port(own);
        let pebble = Self {
            directory: free_port(),
            management: free_port(),
            tls: free_port(),
            http: free_port(),
            dns,
            manner,
            folder,
            _names: names,
            running: None,
        };
        pebble.make_certificate();
        pebble
    }

    /// One that runs.
    pub fn started(manner: Manner) -> Self {
        let mut pebble = Self::new(manner);
        pebble.start();
        pebble
    }

    /// The directory has a certificate from a CA of its own.
    fn make_certificate(&self) {
        let make = |arguments: &[&str]| {
            let mut openssl = program("openssl");
            openssl.args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]);
            openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256"]);
            succeed(openssl.args(arguments).current_dir(self.folder.path()));
        };
        make(&[
            "-subj",
            "/CN=Authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        make(&[
            "-subj",
            "/CN=localhost",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ]);
    }

    pub fn start(&mut self) {
        let configuration = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{}", "managementListenAddress": "127.0.0.1:{}",
                "certificate": "cert.pem", "privateKey": "key.pem", "httpPort": {}, "tlsPort": {},
                "ocspResponderURL": "", "externalAccountBindingRequired": false,
                "certificateValidityPeriod": {}}}}}"#,
            self.directory, self.management, self.http, self.tls, self.manner.validity
        );
        fs::write(self.path("pebble.json"), configuration).expect("a file");
        let mut command = program("pebble");
        command.args(["-config", "pebble.json", "-strict", "-dnsserver"]);
        command.arg(format!("127.0.0.1:{}", self.dns));
        command.env("PEBBLE_VA_NOSLEEP", "1");
        command.env("PEBBLE_AUTHZREUSE", "0");
        command.env(
            "PEBBLE_WFE_NONCEREJECT",
            self.manner.refused_nonces.to_string(),
        );
        command.current_dir(self.folder.path());
        let mut service = Service::start("pebble", &mut command, self.folder.path());
        service.port(self.directory);
        service.port(self.management);
        self.running = Some(service);
    }

    pub fn stop(&mut self) {
        self.running = None;
    }

    /// How many requests it had whose line has this in it.
    pub fn requests(&self, word: &str) -> usize {
        let said = fs::read_to_string(self.path("pebble.out")).expect("what it said");
        said.lines().filter(|line| line.contains(word)).count()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The file of the root that its certificates lead to; each start makes a new one.
    pub fn root(&self) -> PathBuf {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let mut curl = program("curl");
        curl.args(["--silent", "--show-error", "--fail", "--cacert"]);
        let pem = succeed(curl.arg(self.path("ca.pem")).arg(url));
        let file = self.path("root.pem");
        fs::write(&file, pem).expect("a file");
        file
    }

    /// The keys of a receiver that gets its certificates here, in the cache of this folder;
    /// `more` are keys of the section acme.
    pub fn keys(&self, more: &str) -> String {
        format!(
            "recipients: {{hosts: [example.org]}}\n\
             tls: {{acme: {{directory: \"https://localhost:{}/dir\", directory_ca: {}, cache: {}, {more}}}}}\n",
            self.directory,
            self.path("ca.pem").display(),
            self.path("cache").display(),
        )
    }

    /// The keys of one that answers by TLS, for these names.
    pub fn tls_keys(&self, domains: &str) -> String {
        self.keys(&format!(
            "domains: [{domains}], contact: postmaster@example.org, listen: \"127.0.0.1:{}\"",
            self.tls
        ))
    }

    /// The keys of one that answers by HTTP.
    pub fn http_keys(&self, domains: &str) -> String {
        self.keys(&format!(
            "domains: [{domains}], challenge: http-01, listen: \"127.0.0.1:{}\"",
            self.http
        ))
    }

    /// What is in the cache: the account and the certificate.
    pub fn cached(&self, file: &str) -> PathBuf {
        let mut folders = fs::read_dir(self.path("cache")).expect("a cache");
        let folder = folders.next().expect("a folder").expect("its name");
        assert!(folders.next().is_none(), "there is one directory");
        folder.path().join(file)
    }
}

/// A receiver with STARTTLS on the port of SMTP, and implicit TLS on that of LMTP.
pub fn receiver(keys: &str) -> Receiver {
    Receiver::started_by(keys, |configuration| {
        let mut command = Command::new(MAIASAURA);
        command.env("MAIASAURA__LISTENERS__1__TLS", "implicit");
        command.arg("-c").arg(configuration);
        command
    })
}
