//! One binary for all integration tests: a file per subject.

mod client;
mod dialogues;
mod layers;
mod model;
mod octets;
mod player;
mod session;
mod socket;
mod source;
mod transcript;
mod transcripts;
mod world;
