use std::time::Duration;

use crate::config::units::{Size, Time, mode, size, time};

#[test]
fn sizes() {
    for (text, octets) in [
        ("0", 0),
        ("1000", 1000),
        ("7B", 7),
        ("64kB", 64_000),
        ("64KB", 64_000),
        ("25MB", 25_000_000),
        (" 25 MB ", 25_000_000),
        ("2GB", 2_000_000_000),
        ("256KiB", 262_144),
        ("10MiB", 10_485_760),
        ("1GiB", 1_073_741_824),
    ] {
        assert_eq!(size(text), Ok(octets), "{text}");
    }
    for bad in [
        "", "MB", "-1", "2.5MB", "25mb", "25M", "25 M B", "1e6", "٣MB",
    ] {
        let message = format!(
            "{bad:?} is not a size; write a number of octets, or one such as 25MB or 256KiB"
        );
        assert_eq!(size(bad), Err(message));
    }
    assert_eq!(size("9223372036854775807"), Ok(i64::MAX.cast_unsigned()));
    for bad in [
        "9223372036854775808",
        "9223372037GB",
        "99999999999GB",
        "99999999999999999999",
    ] {
        let message = format!("{bad:?} is too large; write 9223372036GB at most");
        assert_eq!(size(bad), Err(message));
    }
}

#[test]
fn times() {
    for (text, milliseconds) in [
        ("500ms", 500),
        ("0s", 0),
        ("30s", 30_000),
        ("5 m", 300_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("10000d", 864_000_000_000),
    ] {
        assert_eq!(
            time(text),
            Ok(Duration::from_millis(milliseconds)),
            "{text}"
        );
    }
    for (bad, message) in [
        (
            "30",
            "\"30\" has no unit; write 30s for seconds, or ms, m, h or d instead of s",
        ),
        (
            "",
            "\"\" is not a time; write one such as 500ms, 30s, 5m, 1h or 2d",
        ),
        (
            "1h30m",
            "\"1h30m\" is not a time; write one such as 500ms, 30s, 5m, 1h or 2d",
        ),
        (
            "-5s",
            "\"-5s\" is not a time; write one such as 500ms, 30s, 5m, 1h or 2d",
        ),
        (
            "99999999999999999d",
            "\"99999999999999999d\" is not a time; write one such as 500ms, 30s, 5m, 1h or 2d",
        ),
        ("10001d", "\"10001d\" is too long; write 10000d at most"),
    ] {
        assert_eq!(time(bad), Err(message.to_owned()));
    }
}

#[test]
fn modes() {
    assert_eq!(mode("0600"), Ok(0o600));
    assert_eq!(mode("0777"), Ok(0o777));
    for bad in [
        "", "600", "0800", "1777", "06000", "0o600", "rw-", "-600", "0+60",
    ] {
        assert!(mode(bad).is_err(), "{bad}");
    }
}

#[test]
fn sizes_and_times_are_shown_as_they_are_written() {
    for text in ["0", "999B", "25MB", "256KiB", "1GB", "1001B"] {
        assert_eq!(Size(size(text).unwrap()).to_string(), text);
    }
    for text in ["0ms", "500ms", "90s", "5m", "36h", "2d"] {
        assert_eq!(Time(time(text).unwrap()).to_string(), text);
    }
}
