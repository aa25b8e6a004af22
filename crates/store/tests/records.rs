//! What a store keeps, and what its readers see of it.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at the first thing that is not in order"
)]

use phat_store::limits::{MAX_NAME_LEN, MAX_VALUE_LEN};
use phat_store::{CommitError, Owner, ReadError, Snapshot, Space, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const ONE: Space = Space(1);
const TWO: Space = Space(2);
const OWNER: Owner<'static> = Owner {
    version: 1,
    identity: b"worker",
};

fn open(path: &Path) -> Store {
    Store::open(path, &[7; 32], OWNER).unwrap()
}

fn put(store: &Store, space: Space, group: &[u8], key: &[u8], value: &[u8]) {
    let mut batch = store.batch();
    batch.put(space, group, key, value);
    batch.commit().unwrap();
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let mut batch = store.batch();
    batch.put(ONE, b"group", b"kept", b"old");
    batch.put(ONE, b"group", b"removed", b"x");
    batch.put(ONE, b"", b"", b"");
    batch.commit().unwrap();
    let mut batch = store.batch();
    batch.put(ONE, b"group", b"kept", b"new");
    batch.delete(ONE, b"group", b"removed");
    batch.delete(ONE, b"group", b"never there");
    batch.commit().unwrap();
    drop(store);

    let snapshot = open(&path).snapshot().unwrap();
    assert_eq!(
        snapshot.get(ONE, b"group", b"kept").unwrap().unwrap(),
        b"new"
    );
    assert_eq!(snapshot.get(ONE, b"group", b"removed").unwrap(), None);
    assert_eq!(snapshot.get(ONE, b"", b"").unwrap().unwrap(), b"");
}

#[test]
fn what_was_committed_is_in_the_file_of_a_process_that_dies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    put(&store, ONE, b"group", b"key", b"value");
    let mut unfinished = store.batch();
    unfinished.put(ONE, b"group", b"key", b"unfinished");

    // The file as it is now, without anything that closing it would add.
    let copy = directory.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    let snapshot = open(&copy).snapshot().unwrap();
    assert_eq!(
        snapshot.get(ONE, b"group", b"key").unwrap().unwrap(),
        b"value"
    );
}

#[test]
fn spaces_and_groups_keep_their_records_apart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    // Joined without their lengths, all of these would be the same.
    for (space, group, key) in [
        (ONE, "ab", "c"),
        (ONE, "a", "bc"),
        (ONE, "", "abc"),
        (TWO, "ab", "c"),
    ] {
        let value = format!("{} {group} {key}", space.0);
        put(
            &store,
            space,
            group.as_bytes(),
            key.as_bytes(),
            value.as_bytes(),
        );
    }
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.get(ONE, b"a", b"bc").unwrap().unwrap(), b"1 a bc");
    assert_eq!(snapshot.get(TWO, b"ab", b"c").unwrap().unwrap(), b"2 ab c");
    assert_eq!(snapshot.get(TWO, b"a", b"bc").unwrap(), None);
    assert_eq!(
        snapshot.group(ONE, b"ab", 9).unwrap(),
        [(b"c".to_vec(), b"1 ab c".to_vec())]
    );
    assert_eq!(snapshot.group(TWO, b"a", 9).unwrap(), []);
    let mut groups: Vec<_> = snapshot
        .all(ONE, 9)
        .unwrap()
        .into_iter()
        .map(|record| record.group)
        .collect();
    groups.sort();
    assert_eq!(groups, [b"".to_vec(), b"a".to_vec(), b"ab".to_vec()]);
    assert_eq!(snapshot.all(Space(3), 9).unwrap(), []);
}

#[test]
fn a_reader_gets_all_records_or_learns_that_there_are_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let mut batch = store.batch();
    for key in 0..5u8 {
        batch.put(ONE, b"group", &[key], [key]);
    }
    batch.commit().unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.group(ONE, b"group", 5).unwrap().len(), 5);
    assert!(matches!(
        snapshot.group(ONE, b"group", 4),
        Err(ReadError::TooMany { limit: 4 })
    ));
    assert!(matches!(
        snapshot.all(ONE, 0),
        Err(ReadError::TooMany { limit: 0 })
    ));
}

#[test]
fn a_snapshot_does_not_change_and_can_be_shared() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    put(&store, ONE, b"group", b"key", b"before");
    let snapshot = store.snapshot().unwrap();
    put(&store, ONE, b"group", b"key", b"after");
    put(&store, ONE, b"group", b"another", b"after");

    let read = |snapshot: Snapshot| {
        assert_eq!(
            snapshot.get(ONE, b"group", b"key").unwrap().unwrap(),
            b"before"
        );
        assert_eq!(snapshot.group(ONE, b"group", 9).unwrap().len(), 1);
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read(snapshot.clone()));
        }
    });
    assert_eq!(
        store
            .snapshot()
            .unwrap()
            .get(ONE, b"group", b"key")
            .unwrap()
            .unwrap(),
        b"after"
    );
    // It also outlives the handle that it came from.
    drop(store);
    read(snapshot);
}

#[test]
fn a_batch_that_is_dropped_or_refused_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    put(&store, ONE, b"group", b"key", b"value");

    let mut dropped = store.batch();
    dropped.put(ONE, b"group", b"key", b"dropped");
    assert!(!dropped.is_empty());
    drop(dropped);

    for (key, value) in [
        (vec![0; MAX_NAME_LEN + 1], vec![]),
        (vec![], vec![0; MAX_VALUE_LEN + 1]),
    ] {
        let mut refused = store.batch();
        refused.put(ONE, b"group", b"key", b"refused");
        refused.put(ONE, b"group", &key, value);
        assert!(matches!(
            refused.commit(),
            Err(CommitError::NameTooLong(_) | CommitError::ValueTooLong(_))
        ));
    }
    let snapshot = store.snapshot().unwrap();
    assert_eq!(
        snapshot.group(ONE, b"group", 9).unwrap(),
        [(b"key".to_vec(), b"value".to_vec())]
    );
}

#[test]
fn batches_of_many_threads_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..5u8 {
                    put(store, ONE, b"own", &[thread, number], b"x");
                    put(store, ONE, b"shared", &[number], &[thread]);
                }
            });
        }
    });
    drop(store);
    // Opening would notice if the tally had missed one.
    assert_eq!(
        open(&path).snapshot().unwrap().all(ONE, 99).unwrap().len(),
        25
    );
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, u8, Vec<u8>),
    Delete(u8, u8, u8),
    DeleteGroup(u8, u8),
    Commit,
    Drop,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || (0..2u8, 0..3u8, 0..4u8);
    prop_oneof![
        6 => (name(), prop::collection::vec(any::<u8>(), 0..2000))
            .prop_map(|((space, group, key), value)| Step::Put(space, group, key, value)),
        3 => name().prop_map(|(space, group, key)| Step::Delete(space, group, key)),
        1 => (0..2u8, 0..3u8).prop_map(|(space, group)| Step::DeleteGroup(space, group)),
        3 => Just(Step::Commit),
        1 => Just(Step::Drop),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    /// Invariant: after every commit and every restart, the store holds exactly what a map would
    /// hold to which only the committed batches were applied.
    #[test]
    fn the_store_behaves_like_a_map(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let mut store = open(&path);
        let mut batch = store.batch();
        let mut committed = BTreeMap::<(u8, u8, u8), Vec<u8>>::new();
        let mut pending = committed.clone();
        for step in steps {
            match step {
                Step::Put(space, group, key, value) => {
                    batch.put(Space(space), &[group], &[key], value.clone());
                    pending.insert((space, group, key), value);
                    continue;
                }
                Step::Delete(space, group, key) => {
                    batch.delete(Space(space), &[group], &[key]);
                    pending.remove(&(space, group, key));
                    continue;
                }
                Step::DeleteGroup(space, group) => {
                    batch.delete_group(Space(space), &[group]);
                    pending.retain(|name, _| (name.0, name.1) != (space, group));
                    continue;
                }
                Step::Commit => {
                    batch.commit().unwrap();
                    committed = pending.clone();
                }
                Step::Drop => pending = committed.clone(),
                Step::Reopen => {
                    drop((batch, store));
                    store = open(&path);
                    pending = committed.clone();
                }
            }
            batch = store.batch();
            let snapshot = store.snapshot().unwrap();
            let mut found = BTreeMap::new();
            for space in 0..2 {
                for record in snapshot.all(Space(space), 99).unwrap() {
                    found.insert((record.space.0, record.group[0], record.key[0]), record.value);
                }
            }
            prop_assert_eq!(&found, &committed);
        }
    }
}
