//! Rust SDK for Phat contracts: deploy them, send them commands, ask them.
//!
//! ```no_run
//! use phat_client::{Account, Bundle, ChainClient, Client, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = Account::from_suri("//Alice")?;
//! let chain = ChainClient::connect("ws://127.0.0.1:9944").await?;
//! let client = Client::connect(chain, None, None, alice).await?;
//!
//! let token = Bundle::parse(&std::fs::read("contracts/artifacts/token.contract")?)?;
//! let supply = ["1_000_000", "Phat Token", "PHT", "12"];
//! let deployed = client.deploy(&token, "new", &supply, &Options::default()).await?;
//!
//! // A command changes the contract's state on every worker of the cluster.
//! let (contract, api) = (deployed.contract, &token.interface);
//! client.call(contract, api, "transfer", &["//Bob", "10", ""], &Options::default()).await?;
//! // A query is answered by one worker, at once, and only for the one who asks.
//! let answer = client.query(contract, api, "balance_of", &["//Bob"]).await?;
//! println!("Bob has {}", answer.output.readable());
//! # Ok(())
//! # }
//! ```
//!
//! Arguments are text, read by the type that the contract's bundle gives: see [`transcode`].
//!
//! | module | what it holds |
//! |---|---|
//! | [`client`] | chain and worker together |
//! | [`chain`] | the chain alone: reading, transactions |
//! | [`worker`] | one worker alone: encrypted queries, receipts |
//! | [`bundle`], [`transcode`] | a contract's interface; arguments and results |
//! | [`proof`] | receipts that can be shown to others |
//! | [`logs`] | what contracts have logged |
//! | [`exec`] | results of executions |
//! | [`keys`], [`amount`] | accounts, addresses and amounts as people write them |
//! | [`limits`] | bounds on what others can make this client hold |

pub mod amount;
pub mod bundle;
pub mod chain;
pub mod client;
pub mod exec;
pub mod keys;
pub mod limits;
pub mod logs;
pub mod proof;
pub mod transcode;
pub mod worker;

pub use bundle::{Bundle, Interface};
pub use chain::ChainClient;
pub use client::{Answer, Applied, Client, ClientError, Deployed, FailReason, Options};
pub use keys::Account;
pub use phat_primitives as primitives;
pub use proof::ProvenReceipt;
pub use transcode::{Output, Readable};
pub use worker::{Caller, Roots, Terms, WorkerClient};
