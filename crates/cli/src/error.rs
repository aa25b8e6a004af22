//! What goes wrong, said so that the person knows what to do next.

use crate::{book::BookError, commands::receipt::refused, refusal::Refusal, report::style};
use phat_client::{
    ClientError, FailReason,
    amount::show_amount,
    bundle::BundleError,
    chain::ChainError,
    keys::AccountError,
    transcode::EncodeError,
    worker::{BadRoots, WorkerError},
};
use phat_economy::simulator;
use serde_json::json;
use std::{error::Error, path::PathBuf, process::ExitCode};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Chain and worker together.
    #[error(transparent)]
    Client(#[from] Box<ClientError>),
    /// The worker that is run here.
    #[error(transparent)]
    Worker(#[from] crate::worker::WorkerError),
    /// The account that acts.
    #[error("--suri: {0}")]
    Suri(#[source] AccountError),
    /// An account that was named.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The files kept here.
    #[error(transparent)]
    Book(#[from] BookError),
    /// A file that was named.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A receipt's proof does not hold.
    #[error("{}: {source}", path.display())]
    Proof {
        /// The file.
        path: PathBuf,
        /// Why.
        source: phat_client::proof::BadProof,
    },
    /// A bundle that was named.
    #[error("{}: {source}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BundleError,
    },
    /// Code that nothing describes.
    #[error(
        "{} has code but no description: put its .json or metadata.json beside it, or give the .contract file",
        path.display()
    )]
    NoMetadata {
        /// The file.
        path: PathBuf,
    },
    /// A scenario with a mistake.
    #[error("{}: {source}", path.display())]
    Scenario {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        source: simulator::Refusal,
    },
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[source] std::io::Error),
    /// Authorities that are to be believed.
    #[error("--ca: {}: {source}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadRoots,
    },
    /// What a contract is made from is known to those who made it only.
    #[error(
        "contract {0:?} was deployed in private, and not from here: give its bundle with --bundle"
    )]
    PrivateCode(phat_client::primitives::ContractId),
    /// There is no such contract.
    #[error("there is no contract {0:?}: check its address, or see `phat contracts`")]
    NoContract(phat_client::primitives::ContractId),
    /// A log that is for others.
    #[error(
        "the log of {0:?} is for who made it, and for the cluster's owner: name the account with --suri"
    )]
    NotOwner(phat_client::primitives::ContractId),
    /// More is to be taken back than is there.
    #[error("you have staked {} on it: take back that much at most", show_amount(*.present))]
    LessStaked {
        /// What is there.
        present: phat_client::primitives::Balance,
    },
    /// Too little would be staked.
    #[error(
        "{} would be staked on it, the least is {}: stake more, or take all of it back",
        show_amount(*.amount),
        show_amount(*.least)
    )]
    Dust {
        /// What would be.
        amount: phat_client::primitives::Balance,
        /// The least.
        least: phat_client::primitives::Balance,
    },
    /// A list that the chain does not keep.
    #[error("{option}: more accounts than a policy can list, {most}")]
    TooManyAccounts {
        /// The option.
        option: &'static str,
        /// Most accounts.
        most: u32,
    },
    /// A salt that is not hex.
    #[error("--salt: `{0}` is not bytes in hex: write 0x and an even number of digits")]
    Salt(String),
    /// What the chain would refuse, or what names nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The network on this machine.
    #[error(transparent)]
    Dev(#[from] Box<dyn Error + Send + Sync>),
}

/// Errors of the SDK's parts are errors of the SDK.
macro_rules! from_client {
    ($($error:ty),*) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Client(Box::new(ClientError::from(error)))
            }
        })*
    };
}

from_client!(ChainError, WorkerError, EncodeError);

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self::Client(Box::new(error))
    }
}

impl CliError {
    /// Says it on stderr, with the causes that the message does not contain yet.
    pub(crate) fn print(&self, json: bool) -> ExitCode {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text = format!("{text}\n  because: {next}");
            }
            cause = error.source();
        }
        if json {
            let mut document = json!({ "error": text });
            if let Some(code) = self.policy_code() {
                document["refused"] = refused(Some(code));
            }
            anstream::eprintln!("{document}");
        } else {
            anstream::eprintln!("{}: {text}", style::bad("error"));
        }
        ExitCode::FAILURE
    }

    /// What the cluster's policy refuses it with, if it does.
    fn policy_code(&self) -> Option<[u8; 4]> {
        match self {
            Self::Client(error) => match &**error {
                ClientError::WouldFail {
                    reason: FailReason::Exec(error),
                    ..
                } => error.policy_code(),
                _ => None,
            },
            _ => None,
        }
    }
}
