//! How a program asks the hardware for a quote.
//!
//! Both ways are folders of special files; where they are is an argument, so that a folder of ordinary
//! ones can stand in for them.

use phat_attestation::quote::{MAX_QUOTE_LEN, QuoteRefused, Tee, unproven};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::files::read_up_to;

/// Name of this program's entry among the reports of Linux.
const TSM_ENTRY: &str = "phat";
/// What Linux calls TDX.
const TSM_TDX: &str = "tdx_guest";
/// What Gramine calls quotes with collateral.
const GRAMINE_DCAP: &str = "dcap";
/// Bytes of a file that holds a word or a number.
const MAX_WORD: usize = 64;
/// How often a quote is asked for while others use the same entry.
const ATTEMPTS: u32 = 5;

/// Why there is no quote.
#[derive(Debug, thiserror::Error)]
pub enum QuoteError {
    /// A file of the interface cannot be read or written.
    #[error("{} cannot be used: {source}. Is the program running in the TEE that it was started for?", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The platform makes quotes of another kind.
    #[error("{} says {found:?} instead of {expected:?}", path.display())]
    OtherKind {
        /// Which file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What is needed.
        expected: &'static str,
    },
    /// A number is none.
    #[error("{} holds no number", .0.display())]
    NotANumber(PathBuf),
    /// Somebody else always comes in between.
    #[error("{} is in use by another program", .0.display())]
    InUse(PathBuf),
    /// What came is no quote.
    #[error("what came is no quote: {0}")]
    Unreadable(#[from] QuoteRefused),
    /// The quote was not made for what was asked.
    #[error("the quote is of another TEE, or was made for something else")]
    NotAsked,
}

/// Asks the hardware for quotes.
pub trait Quoter: Send + Sync + 'static {
    /// A quote that binds these bytes. It blocks for some milliseconds.
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuoteError>;
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> QuoteError {
    let path = path.to_owned();
    move |source| QuoteError::Io { path, source }
}

fn word(path: &Path) -> Result<String, QuoteError> {
    let bytes = read_up_to(path, MAX_WORD).map_err(io_error(path))?;
    Ok(String::from_utf8_lossy(&bytes)
        .trim_matches(['\0', '\n', ' '])
        .to_owned())
}

fn expect_word(path: &Path, expected: &'static str) -> Result<(), QuoteError> {
    let found = word(path)?;
    match found == expected {
        true => Ok(()),
        false => Err(QuoteError::OtherKind {
            path: path.to_owned(),
            found,
            expected,
        }),
    }
}

/// What was read, if it is a quote of `tee` for these bytes.
fn asked_for(quote: Vec<u8>, tee: Tee, report_data: &[u8; 64]) -> Result<Vec<u8>, QuoteError> {
    let (_, bound, made_by) = unproven(&quote)?;
    match made_by == tee && bound == *report_data {
        true => Ok(quote),
        false => Err(QuoteError::NotAsked),
    }
}

/// SGX through Gramine: the files in `/dev/attestation`.
#[derive(Debug)]
pub struct Gramine {
    root: PathBuf,
    /// What is written to one file decides what is read from another.
    using: Mutex<()>,
}

impl Gramine {
    /// Where Gramine shows the files.
    pub const ROOT: &str = "/dev/attestation";

    /// Uses the files in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            using: Mutex::new(()),
        }
    }
}

impl Quoter for Gramine {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuoteError> {
        let _using = self.using.lock().unwrap_or_else(PoisonError::into_inner);
        expect_word(&self.root.join("attestation_type"), GRAMINE_DCAP)?;
        let user = self.root.join("user_report_data");
        fs::write(&user, report_data).map_err(io_error(&user))?;
        let path = self.root.join("quote");
        let quote = read_up_to(&path, MAX_QUOTE_LEN).map_err(io_error(&path))?;
        asked_for(quote, Tee::Sgx, report_data)
    }
}

/// TDX through Linux: reports of trusted security modules in configfs, from kernel 6.7 on.
#[derive(Debug)]
pub struct Tsm {
    root: PathBuf,
    using: Mutex<()>,
}

impl Tsm {
    /// Where Linux shows the reports.
    pub const ROOT: &str = "/sys/kernel/config/tsm/report";

    /// Uses the reports in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            using: Mutex::new(()),
        }
    }
}

impl Quoter for Tsm {
    /// The kernel counts what is written to an entry. A quote is ours if the count is one higher than
    /// before we wrote, after it was read.
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuoteError> {
        let _using = self.using.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = self.root.join(TSM_ENTRY);
        match fs::create_dir(&entry) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error(&entry)(error));
            }
            // Left by a run before this one.
            _ => {}
        }
        expect_word(&entry.join("provider"), TSM_TDX)?;
        let generation = || {
            let path = entry.join("generation");
            word(&path)?
                .parse::<u64>()
                .map_err(|_| QuoteError::NotANumber(path))
        };
        for _ in 0..ATTEMPTS {
            let before = generation()?;
            let inblob = entry.join("inblob");
            fs::write(&inblob, report_data).map_err(io_error(&inblob))?;
            let path = entry.join("outblob");
            let quote = read_up_to(&path, MAX_QUOTE_LEN).map_err(io_error(&path))?;
            if generation()? == before.wrapping_add(1) {
                return asked_for(quote, Tee::Tdx, report_data);
            }
        }
        Err(QuoteError::InUse(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{self, SGX_QUOTE, TDX_QUOTE};

    #[test]
    fn gramine_is_asked_for_a_quote_of_our_bytes() {
        let stand_in = stand_in::gramine(3);
        let gramine = Gramine::new(stand_in.path());
        for byte in [1, 2, 3] {
            let quote = gramine.quote(&[byte; 64]).unwrap();
            let (measured, bound, tee) = unproven(&quote).unwrap();
            assert_eq!((bound, tee), ([byte; 64], Tee::Sgx));
            assert_eq!(measured, unproven(SGX_QUOTE).unwrap().0);
        }
    }

    #[test]
    fn linux_is_asked_for_a_quote_of_our_bytes() {
        let stand_in = stand_in::tsm(2, |generation| generation + 1);
        let tsm = Tsm::new(stand_in.path());
        for byte in [1, 2] {
            let quote = tsm.quote(&[byte; 64]).unwrap();
            let (measured, bound, tee) = unproven(&quote).unwrap();
            assert_eq!((bound, tee), ([byte; 64], Tee::Tdx));
            assert_eq!(measured, unproven(TDX_QUOTE).unwrap().0);
        }
    }

    #[test]
    fn a_report_that_somebody_else_writes_to_is_asked_again_and_then_given_up() {
        let stand_in = stand_in::tsm(ATTEMPTS, |generation| generation + 2);
        let refused = Tsm::new(stand_in.path()).quote(&[1; 64]);
        assert!(matches!(refused, Err(QuoteError::InUse(_))), "{refused:?}");
        let stand_in = stand_in::tsm(2, |generation| generation + 1 + u64::from(generation == 7));
        assert!(Tsm::new(stand_in.path()).quote(&[1; 64]).is_ok());
    }

    #[test]
    fn what_is_not_there_or_of_another_kind_is_said() {
        let empty = tempfile::tempdir().unwrap();
        let gramine = Gramine::new(empty.path()).quote(&[0; 64]).unwrap_err();
        assert!(
            gramine.to_string().contains("attestation_type"),
            "{gramine}"
        );
        assert!(matches!(
            Tsm::new(empty.path().join("missing")).quote(&[0; 64]),
            Err(QuoteError::Io { .. })
        ));
        fs::write(empty.path().join("attestation_type"), "none\n").unwrap();
        let refused = Gramine::new(empty.path()).quote(&[0; 64]).unwrap_err();
        assert!(matches!(refused, QuoteError::OtherKind { .. }), "{refused}");
        fs::create_dir(empty.path().join(TSM_ENTRY)).unwrap();
        fs::write(empty.path().join(TSM_ENTRY).join("provider"), "sev_guest").unwrap();
        let refused = Tsm::new(empty.path()).quote(&[0; 64]).unwrap_err();
        assert!(refused.to_string().contains("sev_guest"), "{refused}");
    }

    #[test]
    fn a_quote_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("attestation_type"), "dcap").unwrap();
        for (answer, readable) in [
            (SGX_QUOTE, true),
            (TDX_QUOTE, true),
            (&b"nothing"[..], false),
        ] {
            fs::write(folder.path().join("quote"), answer).unwrap();
            let refused = Gramine::new(folder.path()).quote(&[0; 64]).unwrap_err();
            assert_eq!(
                matches!(refused, QuoteError::NotAsked),
                readable,
                "{refused}"
            );
        }
        fs::write(folder.path().join("quote"), vec![0; MAX_QUOTE_LEN + 1]).unwrap();
        let refused = Gramine::new(folder.path()).quote(&[0; 64]).unwrap_err();
        assert!(matches!(refused, QuoteError::Unreadable(_)), "{refused}");
    }
}
