//! Octets as text: `"a\r\n" * 3 "\xff"`.

/// A run of one octet that is at least so long is written with `*`.
const RUN: usize = 40;

/// Reads quoted strings, each followed by `* n` if it repeats.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').ok_or("a quote is missing")?;
        let (string, after) = string(quoted)?;
        let (times, after) = times(after.trim_start())?;
        octets.extend(string.repeat(times));
        rest = after.trim_start();
    }
    Ok(octets)
}

/// Writes octets so that [`parse`] reads them back.
pub fn print(octets: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut plain = String::new();
    for run in octets.chunk_by(|a, b| a == b) {
        let octet = print_octet(run[0]);
        if run.len() < RUN {
            plain.push_str(&octet.repeat(run.len()));
            continue;
        }
        if !plain.is_empty() {
            parts.push(format!("\"{plain}\""));
            plain.clear();
        }
        parts.push(format!("\"{octet}\" * {}", run.len()));
    }
    if !plain.is_empty() || parts.is_empty() {
        parts.push(format!("\"{plain}\""));
    }
    parts.join(" ")
}

/// What follows the opening quote, and what follows the closing one.
fn string(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut octets = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((octets, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'x')) => {
                    let digits = text.get(at + 2..at + 4).ok_or("\\x wants two digits")?;
                    octets.push(u8::from_str_radix(digits, 16).map_err(|e| e.to_string())?);
                    chars.nth(1);
                }
                escape => octets.push(unescape(escape.map(|(_, c)| c))?),
            },
            c => octets.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Err("a string without its closing quote".into())
}

fn unescape(c: Option<char>) -> Result<u8, String> {
    match c {
        Some('r') => Ok(b'\r'),
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('"') => Ok(b'"'),
        other => Err(format!("unknown escape {other:?}")),
    }
}

/// `* n`, or 1 if there is no star.
fn times(text: &str) -> Result<(usize, &str), String> {
    let Some(number) = text.strip_prefix('*') else {
        return Ok((1, text));
    };
    let number = number.trim_start();
    let end = number.find(' ').unwrap_or(number.len());
    let times = number[..end].parse().map_err(|_| "`*` wants a number")?;
    Ok((times, &number[end..]))
}

fn print_octet(octet: u8) -> String {
    match octet {
        b'\r' => "\\r".into(),
        b'\n' => "\\n".into(),
        b'\t' => "\\t".into(),
        0 => "\\0".into(),
        b'\\' => "\\\\".into(),
        b'"' => "\\\"".into(),
        b' '..=b'~' => char::from(octet).into(),
        _ => format!("\\x{octet:02x}"),
    }
}

#[test]
fn what_is_printed_reads_back() {
    let mut all: Vec<u8> = (0..=255).collect();
    all.extend([b'x'; RUN]);
    all.extend(b"\r\n");
    assert_eq!(parse(&print(&all)), Ok(all));
    assert_eq!(print(b"a\"\\\0\x1b\r\n"), r#""a\"\\\0\x1b\r\n""#);
    assert_eq!(parse(r#" "ab" * 3 "c""#), Ok(b"abababc".to_vec()));
    assert_eq!(parse("\"\u{e5}\""), Ok(b"\xc3\xa5".to_vec()));
    for wrong in ["x", "\"x", r#""\q""#, r#""\x1""#, r#""a" * b"#] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
