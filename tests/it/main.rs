//! One binary for all integration tests: a file per subject.

mod dialogues;
mod model;
mod octets;
mod player;
mod transcript;
mod transcripts;
mod world;
