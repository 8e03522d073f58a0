use std::collections::BTreeMap;

use futures_util::FutureExt as _;

use super::*;
use crate::maildir::Location;
use crate::smtp::address::{ForwardPath, Mailbox};

/// Two file systems that every machine has, and none to deliver to.
const PROC: &str = "/proc";
const DEV: &str = "/dev";
/// Another root on the first.
const FIRST: [&str; 2] = ["/proc", "/proc/sys"];

fn root(path: &str) -> Arc<Path> {
    Path::new(path).into()
}

fn disks(roots: &[&str], deliveries: usize) -> Disks {
    let roots: Vec<_> = roots.iter().map(|path| root(path)).collect();
    Disks::new(&roots, deliveries, 2)
}

/// A mailbox below the first root; those below the others stand in for it.
fn destination(roots: &[&str]) -> Option<Box<Destination>> {
    let (first, others) = roots.split_first()?;
    Some(Box::new(Destination {
        mailbox: Mailbox::parse("a@x.test").unwrap(),
        location: Location {
            root: root(first),
            components: vec!["a".into()],
            folder: None,
            owner: None,
            create: true,
            quota: None,
        },
        captures: BTreeMap::new(),
        otherwise: destination(others),
    }))
}

fn recipient(roots: &[&str]) -> Recipient {
    Recipient {
        forward_path: ForwardPath::parse("<a@x.test>").unwrap().0,
        destinations: destination(roots).into_iter().map(|it| *it).collect(),
    }
}

/// A turn, if there is one at once.
fn turn(disks: &Disks, recipients: &[&[&str]]) -> Option<Turn> {
    let recipients: Vec<_> = recipients.iter().map(|roots| recipient(roots)).collect();
    disks.turn(&recipients).now_or_never()
}

#[test]
fn roots_are_grouped_by_file_system() {
    let disks = disks(&[FIRST[0], DEV, FIRST[1], "/proc/not/there"], 5);
    let groups: Vec<usize> = disks.roots().map(<[_]>::len).collect();
    assert_eq!(groups, [3, 1]);
    assert_eq!(disks.deliveries(5), 15, "two file systems, and several");
    assert_eq!(Disks::new(&[root(PROC)], 5, 0).deliveries(5), 5);
}

#[test]
fn each_has_turns_of_its_own_and_so_has_mail_for_several() {
    let disks = disks(&[PROC, DEV], 1);
    let in_proc: &[&[&str]] = &[&[PROC], &[PROC]];
    let first = turn(&disks, in_proc);
    assert!(first.is_some());
    assert!(turn(&disks, &[&[PROC]]).is_none(), "it is taken");
    for mixed in [&[[PROC].as_slice(), &[DEV]], &[&[DEV, PROC], &[DEV]]] {
        let several = turn(&disks, mixed);
        assert!(several.is_some(), "{mixed:?}");
        assert!(turn(&disks, mixed).is_none(), "{mixed:?}");
        assert!(turn(&disks, &[&[DEV]]).is_some(), "{mixed:?}");
    }
    drop(first);
    assert!(turn(&disks, in_proc).is_some(), "it was given back");
}

#[test]
fn one_file_system_has_one_kind_of_turn() {
    let disks = disks(&FIRST, 1);
    let first = turn(&disks, &[&[FIRST[0]], &[FIRST[1]]]);
    assert!(first.is_some());
    assert!(turn(&disks, &[&[FIRST[1]]]).is_none());
}

#[test]
fn work_aside_takes_no_turn_of_deliveries_and_is_bounded() {
    let disks = disks(&[PROC, DEV], 1);
    let aside = || disks.turn_aside(&[recipient(&[PROC])]).now_or_never();
    let taken: Vec<_> = std::iter::from_fn(aside).take(1000).collect();
    assert!(taken.len() > 1 && taken.len() < 250, "{}", taken.len());
    assert!(turn(&disks, &[&[PROC]]).is_some());
    let others = [recipient(&[DEV])];
    let other = disks.turn_aside(&others);
    assert!(other.now_or_never().is_some());
}

/// An error of the disk, and one that says nothing about it.
#[test]
fn a_disk_that_fails_takes_no_mail_until_it_works() {
    let disks = disks(&[PROC, DEV], 1);
    let (proc, dev) = (root(PROC), root(DEV));
    let (fault, other) = (io::Error::from(Errno::IO), io::Error::from(Errno::NOSPC));
    let unasked = |_: &Path| panic!("it is not tried yet");
    let refused = Failure::new(reply::LOCAL_FAULT, "its disk had too many errors");
    for error in [&fault, &other] {
        disks.failed([&proc], error);
        disks.failed([&proc, &dev], &fault);
        assert_eq!(disks.admit(&proc, unasked), Ok(()));
    }
    disks.failed([&proc, &proc], &fault);
    assert_eq!(disks.admit(&proc, unasked), Err(refused.clone()));
    assert_eq!(disks.check(&recipient(&[PROC])), Err(refused));
    assert_eq!(disks.admit(&dev, unasked), Ok(()));
    assert_eq!(disks.check(&recipient(&[DEV])), Ok(()));
}

/// Another configuration may have found it out: whoever asks writes it down for his own.
#[test]
fn what_is_unfit_is_on_the_board_until_it_works() {
    let (board, known) = (Board::default(), Known::default());
    let [one, other] = [(); 2].map(|()| Disks::among(&known, &[root(PROC)], 1, 1));
    let other = other.reporting(&board);
    let is_ill = || board.states().iter().any(|(_, state)| !state.takes_mail());
    one.failed([&root(PROC)], &io::Error::from(Errno::IO));
    assert!(!is_ill());
    assert!(other.check(&recipient(&[PROC])).is_err());
    assert!(is_ill());
    let (name, _) = board.states().remove(0);
    assert_eq!(*name, format!("disk {PROC}"));
    // As if it was left alone for long enough, and passed its test.
    one.systems[0].system.health.recovered();
    assert_eq!(other.admit(&root(PROC), |_| panic!("it works")), Ok(()));
    assert!(!is_ill());
    drop(other);
    assert_eq!(board.states(), []);
}

#[test]
fn deliveries_under_way_are_counted_for_each() {
    let disks = disks(&[PROC, DEV], 2);
    let under_way = || {
        let traffic = disks.traffic().into_iter();
        traffic
            .map(|it| (it.disk, it.under_way, it.most))
            .collect::<Vec<_>>()
    };
    let first = turn(&disks, &[&[PROC]]);
    let several = turn(&disks, &[&[PROC, DEV]]);
    let aside = disks.turn_aside(&[recipient(&[PROC])]).now_or_never();
    let expected = [(PROC, 1), (DEV, 0), ("several", 1)];
    assert_eq!(
        under_way(),
        expected.map(|(disk, now)| (disk.to_owned(), now, 2))
    );
    drop((first, several, aside));
    assert!(under_way().iter().all(|(_, now, _)| *now == 0));
}

/// Where the spool is elsewhere, mail for anybody needs two disks, and takes a turn of that kind.
#[test]
fn where_all_mail_goes_counts_for_everybody() {
    let disks = disks(&[PROC, DEV], 1).always(Some(root(DEV)));
    let to_proc = turn(&disks, &[&[PROC]]);
    assert!(to_proc.is_some());
    assert!(
        turn(&disks, &[&[PROC]]).is_none(),
        "it takes the turn for several"
    );
    assert!(
        turn(&disks, &[&[DEV]]).is_some(),
        "one disk is all this needs"
    );
    drop(to_proc);
    for _ in 0..2 {
        disks.failed([&root(DEV)], &io::Error::from(Errno::IO));
    }
    assert!(
        disks.check(&recipient(&[PROC])).is_err(),
        "a spool that fails"
    );
}

/// A change of the configuration, with a turn that is taken meanwhile.
#[test]
fn a_file_system_that_is_known_has_no_more_turns() {
    let known = Known::default();
    let make = |roots: &[&str], deliveries| {
        let roots: Vec<_> = roots.iter().map(|path| root(path)).collect();
        Disks::among(&known, &roots, deliveries, 1)
    };
    let before = make(&[PROC], 2);
    let mut turns = vec![turn(&before, &[&[PROC]]), turn(&before, &[&[PROC]])];
    assert!(turns.iter().all(Option::is_some));
    let same = make(&[PROC, DEV], 2);
    assert_eq!(known.kinds(), 3);
    assert!(turn(&same, &[&[PROC]]).is_none(), "all are taken already");
    assert!(turn(&same, &[&[DEV]]).is_some());
    let more = make(&[PROC], 3);
    assert!(turn(&more, &[&[PROC]]).is_none(), "it does not hold yet");
    more.settle();
    turns.push(turn(&more, &[&[PROC]]));
    assert!(turns[2].is_some() && turn(&before, &[&[PROC]]).is_none());
    let less = make(&[PROC], 1);
    less.settle();
    for _ in 0..2 {
        turns.pop();
        assert!(turn(&less, &[&[PROC]]).is_none(), "one is still taken");
    }
    turns.pop();
    let only = turn(&less, &[&[PROC]]);
    assert!(only.is_some() && turn(&less, &[&[PROC]]).is_none());
    more.settle();
    assert!(turn(&less, &[&[PROC]]).is_some(), "three again");
}

#[test]
fn a_disk_that_failed_before_is_still_left_alone() {
    let known = Known::default();
    let before = Disks::among(&known, &[root(PROC)], 1, 1);
    before.failed([&root(PROC)], &io::Error::from(Errno::IO));
    let after = Disks::among(&known, &[root(PROC)], 1, 5);
    after.settle();
    drop(before);
    assert!(after.check(&recipient(&[PROC])).is_err());
    drop(after);
    let anew = Disks::among(&known, &[root(PROC)], 1, 1);
    assert_eq!(anew.check(&recipient(&[PROC])), Ok(()));
}
