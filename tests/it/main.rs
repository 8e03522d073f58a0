//! One binary for all integration tests: a file per subject.

mod client;
mod delivery;
mod dialogues;
mod house;
mod layers;
mod limits;
mod lmtp;
mod model;
mod octets;
mod player;
mod recipients;
mod session;
mod socket;
mod source;
mod transcript;
mod transcripts;
mod world;
