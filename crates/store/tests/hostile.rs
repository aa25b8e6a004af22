//! What whoever owns the disk can do to a store, and how it is noticed.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at the first thing that is not in order"
)]

use phat_store::{Entry, OpenError, Owner, ReadError, Space, Store};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::{Path, PathBuf};

const SPACE: Space = Space(1);
const KEY: [u8; 32] = [7; 32];
const OWNER: Owner<'static> = Owner {
    version: 3,
    identity: b"identity of the owner",
};
/// The table of sealed records, as the store names it.
const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

struct Fixture {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Fixture {
    /// A closed store with some records.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = Store::open(&path, &KEY, OWNER).unwrap();
        let mut batch = store.batch();
        batch.put(SPACE, b"balances", b"alice", b"a hundred");
        batch.put(SPACE, b"balances", b"bob", b"nothing..");
        batch.commit().unwrap();
        Self {
            _directory: directory,
            path,
        }
    }

    fn open(&self) -> Result<Store, OpenError> {
        Store::open(&self.path, &KEY, OWNER)
    }

    fn commit(&self, key: &[u8], value: &[u8]) {
        let store = self.open().unwrap();
        let mut batch = store.batch();
        batch.put(SPACE, b"balances", key, value);
        batch.commit().unwrap();
    }

    /// The records as they lie on the disk.
    fn sealed(&self) -> Vec<Entry> {
        let database = Database::open(&self.path).unwrap();
        let table = database.begin_read().unwrap().open_table(RECORDS).unwrap();
        table
            .iter()
            .unwrap()
            .map(|entry| {
                let (name, sealed) = entry.unwrap();
                (name.value().to_vec(), sealed.value().to_vec())
            })
            .collect()
    }

    /// Changes records on the disk, as somebody without the key would.
    fn tamper(&self, change: impl FnOnce(&mut redb::Table<'_, &[u8], &[u8]>)) {
        let database = Database::open(&self.path).unwrap();
        let transaction = database.begin_write().unwrap();
        change(&mut transaction.open_table(RECORDS).unwrap());
        transaction.commit().unwrap();
    }
}

#[test]
fn a_store_opens_for_its_owner_only() {
    let fixture = Fixture::new();
    let open = |key: [u8; 32], owner| Store::open(&fixture.path, &key, owner).unwrap_err();
    assert!(matches!(open([8; 32], OWNER), OpenError::WrongKey(_)));
    let another = Owner {
        identity: b"somebody else",
        ..OWNER
    };
    assert!(matches!(open(KEY, another), OpenError::AnotherOwner(_)));
    let newer = Owner {
        version: 4,
        ..OWNER
    };
    assert!(matches!(
        open(KEY, newer),
        OpenError::AnotherVersion {
            found: 3,
            expected: 4,
            ..
        }
    ));
    // The version is told even to those who have not got the key.
    assert!(matches!(
        open([8; 32], newer),
        OpenError::AnotherVersion { .. }
    ));
    // None of these attempts has harmed it.
    let snapshot = fixture.open().unwrap().snapshot().unwrap();
    assert_eq!(
        snapshot.get(SPACE, b"balances", b"alice").unwrap().unwrap(),
        b"a hundred"
    );
}

#[test]
fn a_store_is_open_once() {
    let fixture = Fixture::new();
    let first = fixture.open().unwrap();
    let error = fixture.open().unwrap_err();
    assert!(matches!(error, OpenError::Locked(_)));
    assert!(error.to_string().contains("in use"), "{error}");
    drop(first);
    fixture.open().unwrap();
}

#[test]
fn a_place_that_cannot_be_written_is_reported_as_such() {
    let directory = tempfile::tempdir().unwrap();
    for path in [
        directory.path().to_owned(),
        directory.path().join("missing").join("store"),
    ] {
        let error = Store::open(&path, &KEY, OWNER).unwrap_err();
        assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    }
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter");
    for content in [
        b"Dear Sir or Madam".to_vec(),
        vec![0; 10_000],
        vec![b'x'; 1_000_000],
    ] {
        std::fs::write(&path, &content).unwrap();
        let error = Store::open(&path, &KEY, OWNER).unwrap_err();
        assert!(matches!(error, OpenError::Corrupted { .. }), "{error:?}");
        assert!(std::fs::read(&path).unwrap() == content);
    }

    // A database, but not a store.
    let path = directory.path().join("database");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(TableDefinition::<u8, u8>::new("another"))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Store::open(&path, &KEY, OWNER).unwrap_err();
    assert!(matches!(error, OpenError::Corrupted { .. }), "{error:?}");
}

#[test]
fn an_empty_file_becomes_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    std::fs::write(&path, b"").unwrap();
    Store::open(&path, &KEY, OWNER).unwrap();
}

#[test]
fn nothing_on_the_disk_can_be_read() {
    let fixture = Fixture::new();
    let file = std::fs::read(&fixture.path).unwrap();
    let contains = |text: &[u8]| file.windows(text.len()).any(|window| window == text);
    for text in ["balances", "alice", "bob", "hundred", "identity"] {
        assert!(!contains(text.as_bytes()), "{text}");
    }
    assert!(!contains(&KEY));
    // The search would find it: names of tables are no secret.
    assert!(contains(b"records"));
}

#[test]
fn equal_values_look_different_every_time() {
    let fixture = Fixture::new();
    let before = fixture.sealed();
    fixture.commit(b"alice", b"a hundred");
    let after = fixture.sealed();
    assert_eq!(before.len(), 2);
    let changed: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old != new)
        .collect();
    let [(old, new)] = changed[..] else {
        panic!("one record was written")
    };
    assert_eq!(old.0, new.0);
    assert_ne!(old.1[..24], new.1[..24]);
    assert_ne!(old.1[24..], new.1[24..]);
}

#[test]
fn a_changed_value_is_noticed_when_it_is_read() {
    let fixture = Fixture::new();
    let [(first, sealed), (second, _)] = &fixture.sealed()[..] else {
        panic!("two records")
    };
    // Neither the nonce in front nor the tag behind.
    let mut changed = sealed.clone();
    changed[30] ^= 1;
    assert_ne!(first, second);
    fixture.tamper(|table| {
        table.insert(&first[..], &changed[..]).unwrap();
    });
    let snapshot = fixture.open().unwrap().snapshot().unwrap();
    let read = [&b"alice"[..], b"bob"].map(|key| snapshot.get(SPACE, b"balances", key));
    let refused = read
        .iter()
        .filter(|value| matches!(value, Err(ReadError::Tampered)))
        .count();
    assert_eq!(refused, 1, "one of the two was changed");
    assert!(matches!(
        snapshot.group(SPACE, b"balances", 9),
        Err(ReadError::Tampered)
    ));
    assert!(matches!(snapshot.all(SPACE, 9), Err(ReadError::Tampered)));
}

#[test]
fn records_that_are_not_those_committed_last_are_noticed_when_the_store_is_opened() {
    type Change = fn(&mut redb::Table<'_, &[u8], &[u8]>, &[Entry]);
    let changes: [(&str, Change); 6] = [
        ("a record removed", |table, old| {
            table.remove(&old[0].0[..]).unwrap();
        }),
        ("a record put back to its earlier value", |table, old| {
            for (name, sealed) in old {
                table.insert(&name[..], &sealed[..]).unwrap();
            }
        }),
        ("two records with each other's values", |table, old| {
            table.insert(&old[0].0[..], &old[1].1[..]).unwrap();
            table.insert(&old[1].0[..], &old[0].1[..]).unwrap();
        }),
        ("a record under a second name", |table, old| {
            table.insert(&[9; 40][..], &old[0].1[..]).unwrap();
        }),
        ("a record without content", |table, old| {
            table.insert(&old[0].0[..], &[][..]).unwrap();
        }),
        ("no records", |table, _| table.retain(|_, _| false).unwrap()),
    ];
    for (what, change) in changes {
        let fixture = Fixture::new();
        let old = fixture.sealed();
        fixture.commit(b"alice", b"ten");
        fixture.commit(b"bob", b"ninety");
        fixture.open().expect("nothing has been changed yet");
        fixture.tamper(|table| change(table, &old));
        assert!(
            matches!(fixture.open(), Err(OpenError::Tampered(_))),
            "{what}"
        );
    }
}

#[test]
fn an_old_copy_of_the_whole_file_opens_as_it_was() {
    // What the store cannot notice; the worker checks it against the chain.
    let fixture = Fixture::new();
    let old = std::fs::read(&fixture.path).unwrap();
    fixture.commit(b"alice", b"ten");
    std::fs::write(&fixture.path, old).unwrap();
    let snapshot = fixture.open().unwrap().snapshot().unwrap();
    assert_eq!(
        snapshot.get(SPACE, b"balances", b"alice").unwrap().unwrap(),
        b"a hundred"
    );
}

/// Reads all of a store that may be damaged. An error is as good as the right content.
fn never_wrong(path: &Path, allowed: &[&[u8]]) -> bool {
    let read = || -> Result<Vec<Entry>, Box<dyn std::error::Error>> {
        let store = Store::open(path, &KEY, OWNER)?;
        let records = store.snapshot()?.group(SPACE, b"group", 10_000)?;
        let mut batch = store.batch();
        batch.put(SPACE, b"after", b"key", b"value");
        batch.commit()?;
        Ok(records)
    };
    let Ok(records) = read() else { return false };
    let value = &records.first().expect("no commit left the group empty").1;
    assert!(allowed.contains(&&value[..]), "some committed value");
    assert_eq!(records.len(), 150);
    assert!(
        records.iter().all(|record| record.1 == *value),
        "one commit's values"
    );
    true
}

#[test]
fn damage_anywhere_in_the_file_gives_an_error_or_what_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::open(&path, &KEY, OWNER).unwrap();
    let values = [b"first".repeat(10), b"final".repeat(10)];
    for value in &values {
        let mut batch = store.batch();
        for key in 0..150u32 {
            batch.put(SPACE, b"group", &key.to_le_bytes(), &value[..]);
        }
        batch.commit().unwrap();
    }
    drop(store);
    let allowed = [&values[0][..], &values[1][..]];
    let good = std::fs::read(&path).unwrap();
    let damaged = directory.path().join("damaged");
    let mut outcomes = [0, 0];
    let mut check = |content: &[u8]| {
        std::fs::write(&damaged, content).unwrap();
        outcomes[usize::from(never_wrong(&damaged, &allowed))] += 1;
    };

    // One flipped bit: everywhere in the file's header, and at the beginning, where the structure
    // is, and somewhere else in each page that holds something.
    let mut flips: Vec<usize> = (0..320).step_by(5).collect();
    for (page, content) in good.chunks(4096).enumerate().skip(1) {
        if content.iter().any(|byte| *byte != 0) {
            flips.extend([0, 3, 9, 37 + page * 89 % 4000].map(|at| page * 4096 + at));
        }
    }
    for (number, at) in flips.into_iter().enumerate() {
        let mut content = good.clone();
        content[at] ^= 1 << (number % 8);
        check(&content);
    }
    // A page lost, and a file that ends too early. (Without any content it would be a new store.)
    for page in (1..good.len() / 4096).step_by(7) {
        let mut content = good.clone();
        content[page * 4096..][..4096].fill(0);
        check(&content);
        check(&good[..page * 4096]);
        check(&good[..page * 4096 + 100]);
    }
    assert!(
        outcomes.iter().all(|count| *count > 20),
        "both happen: {outcomes:?}"
    );
}
