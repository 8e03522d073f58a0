//! One binary for all integration tests: a file per subject.

#[cfg(feature = "fastcgi")]
mod application;
#[cfg(feature = "auth-http")]
mod auth_http;
mod authority;
mod bombs;
mod check;
mod client;
mod delivery;
mod dialogues;
mod events;
mod examples;
#[cfg(feature = "metrics")]
mod exposition;
#[cfg(feature = "fastcgi")]
mod fastcgi;
mod handshakes;
mod house;
mod import;
mod large;
mod layers;
mod limits;
mod listener_logs;
mod lmtp;
mod logins;
mod logs;
mod made;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod octets;
mod own_processors;
mod pages;
mod passwd;
mod paths;
mod pid_file;
mod pipe;
mod player;
mod process;
mod processors;
mod program;
mod proxy;
mod queue;
mod recipients;
mod reload;
mod session;
mod signals;
mod slow;
mod socket;
mod source;
mod tls;
mod transcript;
mod transcripts;
mod unix_socket;
mod upstream;
mod users;
mod world;
