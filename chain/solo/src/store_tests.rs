//! The database refuses what it should and forgets what it may.

use polkadot_sdk::*;

use sp_keyring::Sr25519Keyring::Alice;

use phat_runtime::PHA;

use super::*;
use crate::chain::Chain;
use crate::testing::{OUTBOUND, alice, genesis, offered, open, transfer};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn error(dir: &Path) -> String {
    match Chain::open(dir, &genesis(), alice(), OUTBOUND.to_vec()) {
        Ok(_) => panic!("it must not open"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_folder_in_use_is_refused() {
    let dir = folder();
    let _first = open(dir.path());
    assert!(error(dir.path()).contains("in use by another process"));
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let dir = folder();
    let file = dir.path().join("file");
    fs::write(&file, b"not a folder").expect("a file can be written");
    assert!(error(&file.join("data")).contains("cannot write to the data directory"));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = folder();
    fs::write(dir.path().join(FILE), [7; 9000]).expect("a file can be written");
    assert!(error(dir.path()).contains("not a readable chain database"));
}

#[test]
fn a_truncated_database_is_refused_or_whole_and_never_panics() {
    let dir = folder();
    drop(open(dir.path()));
    let file = dir.path().join(FILE);
    let length = fs::metadata(&file).expect("the file is there").len();
    let truncated = fs::OpenOptions::new().write(true).open(&file);
    truncated
        .and_then(|file| file.set_len(length / 2))
        .expect("the file can be cut");
    assert!(error(dir.path()).contains("not a readable chain database"));
}

#[test]
fn damage_anywhere_in_the_database_is_refused_or_mended_and_never_panics() {
    let dir = folder();
    drop(open(dir.path()));
    let file = dir.path().join(FILE);
    let good = fs::read(&file).expect("the file is there");
    // A bit in the header of the file, at the beginning of each page and somewhere in it; a page that
    // is lost.
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    let mut flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        damaged.push(bytes);
    };
    (0..320).step_by(7).for_each(&mut flip);
    for (number, page) in good.chunks(4096).enumerate().skip(1) {
        if page.iter().any(|byte| *byte != 0) {
            flip(number * 4096);
            flip(number * 4096 + 37 + number * 89 % 4000);
        }
    }
    for page in (4096..good.len()).step_by(4096 * 5) {
        let mut bytes = good.clone();
        bytes[page..page + 4096].fill(0);
        damaged.push(bytes);
    }
    let mut refused = 0;
    for bytes in &damaged {
        fs::write(&file, bytes).expect("the file can be written");
        match Chain::open(dir.path(), &genesis(), alice(), OUTBOUND.to_vec()) {
            Ok(_) => {}
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.contains("chain.redb is not a readable chain database"),
                    "{message}"
                );
                assert!(message.contains("start afresh with --fresh"), "{message}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && refused < damaged.len(), "{refused}");
}

#[test]
fn another_data_format_is_refused() {
    let dir = folder();
    drop(open(dir.path()));
    let db = Database::open(dir.path().join(FILE)).expect("it is a database");
    let writing = db.begin_write().expect("it can be written");
    writing
        .open_table(META)
        .expect("the table is there")
        .insert("format", FORMAT + 1)
        .expect("it can be written");
    writing.commit().expect("it can be written");
    drop(db);
    assert!(error(dir.path()).contains("has data format 2"));
}

#[test]
fn states_in_the_window_can_be_read_and_older_ones_are_forgotten_with_their_nodes() {
    const WINDOW: u32 = 4;
    let dir = folder();
    let mut chain =
        Chain::open_with_window(dir.path(), &genesis(), alice(), OUTBOUND.to_vec(), WINDOW)
            .expect("the chain opens");
    let mut counts = Vec::new();
    for nonce in 0..40 {
        let transaction = offered(transfer(Alice, nonce, PHA, chain.genesis_hash()));
        chain.seal(0, &[transaction]).expect("a block is made");
        counts.push(chain.store().node_count());
    }
    let store = chain.store();
    // The first state is kept for those who join.
    for number in [0].into_iter().chain(36..=40) {
        let state = store.state(number).expect("it is kept");
        let everything = state
            .keys(&[], None, usize::MAX)
            .expect("all nodes are there");
        for key in &everything {
            assert!(state.get(key).expect("its nodes are there").is_some());
        }
        assert!(!everything.is_empty());
    }
    for number in [1, 35, 41] {
        let refused = store.state(number).err();
        assert!(
            matches!(
                refused,
                Some(StoreError::NoState {
                    oldest: 36,
                    newest: 40,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    // Hashes of blocks accumulate in the state by design; nothing else may.
    let growth = counts[39] - counts[19];
    assert!(growth <= 3 * 20, "{counts:?}");
    assert!(
        store.body(1).expect("it can be read").is_some(),
        "blocks are kept"
    );
}

#[test]
fn a_write_that_fails_half_way_leaves_the_chain_as_it_was() {
    let dir = folder();
    let mut chain = open(dir.path());
    chain.seal(1, &[]).expect("a block is made");
    let nodes = chain.store().node_count();
    {
        let writing = chain.store().db.begin_write().expect("it can be written");
        writing
            .open_table(HEADERS)
            .expect("the table is there")
            .insert(2, b"half a block".as_slice())
            .expect("it can be written");
        // Not committed, as when the process dies here.
    }
    drop(chain);
    let mut chain = open(dir.path());
    assert_eq!(
        (chain.best().number, chain.store().node_count()),
        (1, nodes)
    );
    assert_eq!(
        chain.seal(2, &[]).expect("a block is made").header.number,
        2
    );
}
