//! The receiver among the programs that people use it with: clients that send, readers that read.
//! `tests/run` installs these programs; one that is missing is a failure that names its package.

mod content;
mod curl;
mod deliver;
mod dovecot;
mod logins;
mod logrotate;
mod maildir;
mod mutt;
mod notmuch;
mod php;
mod postfix;
mod program;
#[cfg(feature = "metrics")]
mod prometheus;
mod proxies;
mod python;
mod readme;
mod receiver;
mod scan;
mod service;
mod strace;
mod swaks;
mod systemd;
mod tls;
