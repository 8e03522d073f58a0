//! Maildir++ quotas, kept as Courier and Dovecot keep them.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::super::{Location, OverQuota, Quota};
use super::Nest;

fn limited(nest: &Nest, storage: u64, messages: u64) -> Location {
    Location {
        quota: Some(Quota {
            storage: Some(storage),
            messages: Some(messages),
        }),
        ..nest.at("jane")
    }
}

fn account(nest: &Nest) -> Vec<String> {
    let text = fs::read_to_string(nest.path("jane/maildirsize")).unwrap();
    text.lines()
        .map(|line| line.trim_end().to_string())
        .collect()
}

fn assert_over(outcome: io::Result<String>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    assert!(
        error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<OverQuota>),
        "{error}"
    );
}

fn age(nest: &Nest, minutes: u64) {
    let file = fs::File::options()
        .write(true)
        .open(nest.path("jane/maildirsize"))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_mins(minutes))
        .unwrap();
}

#[test]
fn the_account_is_opened_and_kept() {
    let nest = Nest::new();
    let location = limited(&nest, 100, 10);
    nest.deliver(&location, "12345").unwrap();
    assert_eq!(account(&nest), ["100S,10C", "0 0", "5 1"]);
    nest.deliver(&location, "123").unwrap();
    assert_eq!(account(&nest), ["100S,10C", "0 0", "5 1", "3 1"]);
    // An abort costs nothing, a revoked message is taken out again.
    drop(nest.stage(&location, "x").unwrap());
    let mut staged = vec![nest.stage(&location, "1234").unwrap()];
    nest.store.commit(&mut staged).unwrap();
    staged[0].revoke().unwrap();
    assert_eq!(account(&nest)[4..], ["4 1", "-4 -1"]);
    assert_eq!(nest.counts("jane"), (2, 0));
}

#[test]
fn without_quota_there_is_no_account() {
    let nest = Nest::new();
    nest.deliver(&nest.at("jane"), "x").unwrap();
    assert_eq!(nest.list("jane"), ["cur", "new", "tmp"]);
}

#[test]
fn over_quota_is_refused_to_the_octet() {
    let nest = Nest::new();
    nest.deliver(&limited(&nest, 10, 10), "123456").unwrap();
    assert_over(nest.deliver(&limited(&nest, 10, 10), "12345"));
    nest.deliver(&limited(&nest, 10, 10), "1234").unwrap();
    assert_over(nest.deliver(&limited(&nest, 10, 10), "1"));
    assert_over(nest.deliver(&limited(&nest, 0, 2), "1"));
    nest.deliver(&limited(&nest, 0, 3), "1").unwrap();
    nest.deliver(&limited(&nest, 0, 0), "123456789").unwrap();
    assert_eq!(nest.counts("jane"), (4, 0));
}

#[test]
fn a_full_account_is_counted_afresh_when_it_may_have_changed() {
    let nest = Nest::new();
    let location = limited(&nest, 10, 10);
    fs::create_dir_all(nest.path("jane/new")).unwrap();
    // More than one line: counted at once, and nothing is there.
    fs::write(nest.path("jane/maildirsize"), "10S,10C\n9 1\n1 1\n").unwrap();
    nest.deliver(&location, "12345").unwrap();
    assert_eq!(account(&nest), ["10S,10C", "0 0", "5 1"]);
    // One young line is believed, an old one is not.
    fs::write(nest.path("jane/maildirsize"), "10S,10C\n10 1\n").unwrap();
    assert_over(nest.deliver(&location, "1"));
    age(&nest, 14);
    assert_over(nest.deliver(&location, "1"));
    age(&nest, 16);
    nest.deliver(&location, "1").unwrap();
    assert_eq!(account(&nest), ["10S,10C", "5 1", "1 1"]);
}

#[test]
fn accounts_that_are_not_ours_are_counted_afresh() {
    let nest = Nest::new();
    let location = limited(&nest, 10_000, 1000);
    let long = format!("10000S,1000C\n{}", "1 1          \n".repeat(400));
    for text in [
        "",
        "nonsense",
        "99S\n1 1\n",
        "10000S,1000C\nx y\n",
        "10000S,1000C\n1\n",
        &long,
    ] {
        fs::create_dir_all(nest.path("jane/new")).unwrap();
        fs::write(nest.path("jane/maildirsize"), text).unwrap();
        nest.deliver(&location, "12345").unwrap();
        assert_eq!(account(&nest), ["10000S,1000C", "0 0", "5 1"], "{text:.20}");
        fs::remove_dir_all(nest.path("jane")).unwrap();
    }
}

#[test]
fn another_order_of_the_same_quota_is_believed() {
    let nest = Nest::new();
    fs::create_dir_all(nest.path("jane/new")).unwrap();
    fs::write(nest.path("jane/maildirsize"), "10C,100S\n7 1\n").unwrap();
    nest.deliver(&limited(&nest, 100, 10), "12345").unwrap();
    assert_eq!(account(&nest), ["10C,100S", "7 1", "5 1"]);
}

#[test]
fn folders_count_and_trash_does_not() {
    let nest = Nest::new();
    for (path, text) in [
        ("jane/cur/1.a.h:2,S", "123"),
        ("jane/new/2.a.h,S=1000", "not read"),
        ("jane/new/.hidden", "123456"),
        ("jane/.lists.rust/cur/3.a.h,S=20,W=21:2,", "x"),
        ("jane/.Trash/cur/4.a.h,S=5000", "x"),
        ("jane/.Trash/new/5.a.h", "x"),
        ("jane/tmp/6.a.h", "x"),
        ("jane/other/new/7.a.h", "x"),
        ("jane/.subscriptions", "x"),
    ] {
        let path = nest.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink(".lists.rust", nest.path("jane/.again")).unwrap();
    let mut location = limited(&nest, 2000, 10);
    nest.deliver(&location, "12345").unwrap();
    assert_eq!(account(&nest), ["2000S,10C", "1023 3", "5 1"]);
    // A sub-folder is charged to the Maildir it is in.
    location.folder = Some("work".to_string());
    nest.deliver(&location, "1234567").unwrap();
    assert_eq!(account(&nest)[3..], ["7 1"]);
    assert!(!nest.path("jane/.work/maildirsize").exists());
}

#[test]
fn a_planted_account_leads_nowhere() {
    let nest = Nest::new();
    let location = limited(&nest, 100, 10);
    let target = nest.path("target");
    for hard in [false, true] {
        fs::create_dir_all(nest.path("jane/new")).unwrap();
        fs::write(&target, "100S,10C\n1 1\n").unwrap();
        if hard {
            fs::hard_link(&target, nest.path("jane/maildirsize")).unwrap();
        } else {
            std::os::unix::fs::symlink(&target, nest.path("jane/maildirsize")).unwrap();
        }
        nest.deliver(&location, "12345").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"100S,10C\n1 1\n");
        assert_eq!(account(&nest), ["100S,10C", "0 0", "5 1"]);
        fs::remove_dir_all(nest.path("jane")).unwrap();
    }
}
