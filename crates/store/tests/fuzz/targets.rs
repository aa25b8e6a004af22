//! The file of a store as whoever has the disk may leave it, made of bytes. The test beside this file
//! runs the target on random bytes, libFuzzer (`fuzz` at the root) on bytes that find new paths.

use phat_fuzzing::Input;
use phat_store::{Owner, Space, Store};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

const SPACE: Space = Space(1);
const KEY: [u8; 32] = [7; 32];
const OWNER: Owner<'static> = Owner {
    version: 3,
    identity: b"identity of the owner",
};
/// Records in the store, after each commit all with the same value.
const RECORDS: u32 = 100;

/// A folder, and the file after each of some commits.
static FILES: LazyLock<(tempfile::TempDir, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good");
    let mut files = Vec::new();
    for round in 0..3u8 {
        let store = Store::open(&path, &KEY, OWNER).unwrap();
        let mut batch = store.batch();
        for key in 0..RECORDS {
            batch.put(SPACE, b"group", &key.to_le_bytes(), value(round));
        }
        batch.commit().unwrap();
        drop(store);
        files.push(fs::read(&path).unwrap());
    }
    (folder, files)
});

fn value(round: u8) -> Vec<u8> {
    vec![round; 60]
}

fn write(bytes: &[u8]) -> PathBuf {
    let path = FILES.0.path().join("damaged");
    fs::write(&path, bytes).unwrap();
    path
}

/// Opens a store whose file is one that was there at some time, with changes, or put together from
/// pages of several. It gives all records of one commit, and takes another one, or refuses. Tells
/// which.
pub(crate) fn file(data: &[u8]) -> bool {
    /// Pages of the database.
    const PAGE: usize = 4096;
    let files = &FILES.1;
    let mut input = Input::new(data);
    let mut bytes = input.choose(files).clone();
    for _ in 0..input.below(4) {
        let page = input.below(bytes.len() / PAGE) * PAGE;
        match input.byte() % 8 {
            0 => bytes.truncate(page + input.below(PAGE)),
            1 => {
                let other = input.choose(files);
                if let (Some(from), Some(to)) = (
                    other.get(page..page + PAGE),
                    bytes.get_mut(page..page + PAGE),
                ) {
                    to.copy_from_slice(from);
                }
            }
            2 => {
                let from = input.below(bytes.len() / PAGE) * PAGE;
                if page.max(from) + PAGE <= bytes.len() {
                    bytes.copy_within(from..from + PAGE, page);
                }
            }
            3..5 => {
                // The header of the file, and of a page, is where the structure is.
                let at = input.below(300) + if input.one_in(2) { page } else { 0 };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = input.byte();
                }
            }
            _ => {
                let at = page + input.below(PAGE);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= input.byte().max(1);
                }
            }
        }
    }
    if bytes.is_empty() {
        // That would be a new store.
        return false;
    }
    let path = write(&bytes);
    read(&path).unwrap_or(false)
}

fn read(path: &Path) -> Result<bool, Box<dyn std::error::Error>> {
    let store = Store::open(path, &KEY, OWNER)?;
    let records = store.snapshot()?.group(SPACE, b"group", 10_000)?;
    assert_eq!(records.len(), RECORDS as usize);
    let found = &records[0].1;
    assert!((0..3).any(|round| value(round) == *found));
    assert!(records.iter().all(|record| record.1 == *found));
    let mut batch = store.batch();
    batch.put(SPACE, b"after", b"key", b"value");
    batch.commit()?;
    Ok(true)
}
