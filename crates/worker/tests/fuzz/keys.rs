//! The files that a worker's key comes from, as whoever has the disk may leave them, made of bytes. The
//! test beside this file runs the target on random bytes, libFuzzer (`fuzz` at the root) on bytes that
//! find new paths.

use phat_crypto::Keypair;
use phat_fuzzing::Input;
use phat_worker::{
    identity::load_or_create,
    sealing::{SealError, Sealer},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Where the worker keeps its key.
const IDENTITY: &str = "identity.key";

/// Where a sealing key comes from, and the file that holds it.
struct Place {
    file: &'static str,
    /// Bytes of the key.
    len: usize,
    open: fn(&Path) -> Result<Sealer, SealError>,
}

const PLACES: [Place; 3] = [
    Place {
        file: "sealing.key",
        len: 32,
        open: Sealer::development,
    },
    Place {
        file: "keys/_sgx_mrsigner",
        len: 16,
        open: Sealer::gramine,
    },
    Place {
        file: "unlocked",
        len: 100,
        open: |folder| Sealer::key_file(&folder.join("unlocked")),
    },
];

/// A worker: its sealing key, and its own key sealed with it.
struct Worker {
    place: usize,
    sealing: Vec<u8>,
    identity: Vec<u8>,
    public: [u8; 32],
    inherited: bool,
}

/// Where the files of a case lie.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    folder
});

fn path(name: &str) -> PathBuf {
    FOLDER.path().join(name)
}

fn sealer(place: usize, key: &[u8]) -> Result<Sealer, SealError> {
    fs::write(path(PLACES[place].file), key).unwrap();
    (PLACES[place].open)(FOLDER.path())
}

/// Two workers with keys from each place. The second of two has taken its key over from another worker.
static WORKERS: LazyLock<Vec<Worker>> = LazyLock::new(|| {
    let worker = |(number, place): (u8, usize)| {
        let sealing = vec![number; PLACES[place].len];
        let inherited = number % 2 == 1;
        let key = Keypair::from_seed([number; 32]);
        let mut content = key.expose_seed().to_vec();
        content.extend(inherited.then_some(1));
        Worker {
            place,
            identity: sealer(place, &sealing).unwrap().seal(&content),
            sealing,
            public: key.public(),
            inherited,
        }
    };
    (0..).zip([0, 0, 1, 1, 2, 2]).map(worker).collect()
});

/// Starts a worker with its two files changed, cut off, or exchanged with those of another. It has the
/// key of a worker both of whose files are there as they were, or none; and a file that it refuses
/// stays as it is. Answers whether it has a key.
pub(crate) fn keys(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let workers = &WORKERS;
    let worker = input.choose(workers);
    let mut place = worker.place;
    let mut sealing = worker.sealing.clone();
    let mut identity = worker.identity.clone();
    if input.one_in(4) {
        identity.clone_from(&input.choose(workers).identity);
    }
    if input.one_in(8) {
        place = input.below(PLACES.len());
    }
    if input.one_in(3) {
        input.bend(&mut sealing);
    }
    if input.one_in(3) {
        input.bend_often(&mut identity, 2);
    }
    fs::write(path(IDENTITY), &identity).unwrap();
    let Ok(sealer) = sealer(place, &sealing) else {
        return false;
    };
    let loaded = load_or_create(FOLDER.path(), &sealer);
    assert_eq!(fs::read(path(IDENTITY)).unwrap(), identity);
    let Ok(loaded) = loaded else {
        return false;
    };
    let whole = workers.iter().find(|worker| {
        (worker.place, &worker.sealing, &worker.identity) == (place, &sealing, &identity)
    });
    let whole = whole.expect("it is the key of a worker whose files are whole");
    assert_eq!(loaded.key.public(), whole.public);
    assert_eq!(loaded.inherited, whole.inherited);
    true
}
