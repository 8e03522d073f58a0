//! The smallest receiver: `cargo run --example receiver [ADDRESS]`.
//!
//! Mail for localhost goes to `./maildirs/localhost/USER`.

use std::error::Error;
use std::io;

use maiasaura::{Config, Daemon};

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::default();
    if let Some(address) = std::env::args().nth(1) {
        config.listen_on(&address)?;
    }
    let running = Daemon::new(config).start()?;
    println!(
        "listening on {}, press Enter to stop",
        running.addresses()[0]
    );
    io::stdin().read_line(&mut String::new())?;
    running.shutdown();
    Ok(())
}
