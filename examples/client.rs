//! A tiny client: `cargo run --example client ADDRESS FROM TO < message`.
//!
//! It speaks just enough SMTP (RFC 5321) to hand one message over.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, from, to] = arguments.as_slice() else {
        return Err("usage: client ADDRESS FROM TO < message".into());
    };
    let message = io::read_to_string(io::stdin())?;
    let mut client = Client(BufReader::new(TcpStream::connect(address)?));
    client.expect(220)?;
    client.say("EHLO localhost", 250)?;
    client.say(&format!("MAIL FROM:<{from}>"), 250)?;
    client.say(&format!("RCPT TO:<{to}>"), 250)?;
    client.say("DATA", 354)?;
    let reply = client.say(&stuffed(&message), 250)?;
    client.say("QUIT", 221)?;
    println!("{reply}");
    Ok(())
}

/// Mail data: lines end in CRLF, and one that begins with a dot gets another
/// (section 4.5.2). The last line is the end of the data.
fn stuffed(message: &str) -> String {
    let line = |line: &str| {
        if line.starts_with('.') {
            format!(".{line}\r\n")
        } else {
            format!("{line}\r\n")
        }
    };
    message.lines().map(line).collect::<String>() + "."
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn say(&mut self, line: &str, code: u16) -> Result<String, Box<dyn Error>> {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.expect(code)
    }

    /// Reads a reply to its last line, which has a blank after the code.
    fn expect(&mut self, code: u16) -> Result<String, Box<dyn Error>> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            if line.as_bytes().get(3) != Some(&b'-') {
                let reply = line.trim_end().to_owned();
                return if reply.starts_with(&code.to_string()) {
                    Ok(reply)
                } else {
                    Err(reply.into())
                };
            }
        }
    }
}
