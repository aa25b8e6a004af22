//! What commands need: the account, the chain, a worker, the bundles.

use crate::{
    args::{DEFAULT_SURI, Global, SURI_VARIABLE},
    book::{Book, read_limited},
    error::CliError,
    refusal::Refusal,
    report::waiting,
};
use phat_client::{
    Account, Bundle, ChainClient, Client, ClientError, Roots,
    bundle::with_code,
    chain::Cluster,
    primitives::{ClusterId, ContractId, WorkerId},
};
use std::path::Path;

/// What commands need.
pub(crate) struct Context {
    global: Global,
}

impl Context {
    /// From the options.
    pub(crate) fn new(global: Global) -> Self {
        Self { global }
    }

    /// The options of all commands.
    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    /// The account that acts.
    pub(crate) fn account(&self) -> Result<Account, CliError> {
        let from_environment = || std::env::var(SURI_VARIABLE).ok();
        let suri = self.global.suri.clone().or_else(from_environment);
        Account::from_suri(suri.as_deref().unwrap_or(DEFAULT_SURI)).map_err(CliError::Suri)
    }

    /// The chain.
    pub(crate) async fn chain(&self) -> Result<ChainClient, CliError> {
        Ok(waiting(
            "connecting to the chain",
            ChainClient::connect(&self.global.chain),
        )
        .await?)
    }

    /// The account at work in the cluster.
    pub(crate) async fn client(&self) -> Result<Client, CliError> {
        let account = self.account()?;
        self.client_in(self.chain().await?, self.global.cluster, account)
            .await
    }

    /// The account at work in the cluster of a contract, if none is named.
    pub(crate) async fn client_of(&self, contract: &str) -> Result<Client, CliError> {
        let account = self.account()?;
        let chain = self.chain().await?;
        let mut cluster = self.global.cluster;
        // What is wrong with the contract's name is said when the contract is wanted.
        if cluster.is_none()
            && let Ok(id) = self.book()?.find(chain.genesis(), contract)
        {
            cluster = chain.contract(id).await?.map(|contract| contract.cluster);
        }
        self.client_in(chain, cluster, account).await
    }

    async fn client_in(
        &self,
        chain: ChainClient,
        cluster: Option<ClusterId>,
        account: Account,
    ) -> Result<Client, CliError> {
        let worker = self.global.worker.as_deref();
        Ok(waiting(
            "connecting to a worker",
            Client::connect_trusting(chain, worker, cluster, account, &self.roots()?),
        )
        .await?)
    }

    /// The cluster that is named, or the first.
    pub(crate) async fn cluster(&self, chain: &ChainClient) -> Result<Cluster, CliError> {
        let named = self.global.cluster;
        let clusters = waiting("asking the chain", chain.clusters()).await?;
        let mut clusters = clusters.into_iter();
        clusters
            .find(|known| named.is_none_or(|id| known.id == id))
            .ok_or_else(|| ClientError::NoCluster(named).into())
    }

    /// The registered worker whose public key begins with this text in hex.
    pub(crate) async fn worker(
        &self,
        chain: &ChainClient,
        named: &str,
    ) -> Result<WorkerId, CliError> {
        let known = waiting("asking the chain", chain.workers()).await?;
        Ok(named_by(&known, named)?)
    }

    /// The registered workers whose public keys begin with these texts in hex.
    pub(crate) async fn workers(
        &self,
        chain: &ChainClient,
        named: &[String],
    ) -> Result<Vec<WorkerId>, CliError> {
        let known = waiting("asking the chain", chain.workers()).await?;
        let find = |text: &String| named_by(&known, text);
        Ok(named.iter().map(find).collect::<Result<_, _>>()?)
    }

    /// The authorities to believe for workers at https addresses, beyond the usual ones.
    pub(crate) fn roots(&self) -> Result<Roots, CliError> {
        roots(&self.global)
    }

    /// The files kept here.
    pub(crate) fn book(&self) -> Result<Book, CliError> {
        Ok(Book::open()?)
    }

    /// The contract of this name or address, and its bundle: the named one or the one kept here.
    pub(crate) async fn contract(
        &self,
        chain: &ChainClient,
        asked: &str,
        bundle: Option<&Path>,
    ) -> Result<(ContractId, Bundle), CliError> {
        let book = self.book()?;
        let id = book.find(chain.genesis(), asked)?;
        let Some(known) = chain.contract(id).await? else {
            return Err(ClientError::NoContract(id).into());
        };
        let bundle = match bundle {
            Some(path) => load_bundle(path)?.1,
            None => {
                let code_hash = match known.code_hash {
                    Some(hash) => hash,
                    None => book
                        .code_of(chain.genesis(), id)?
                        .ok_or(CliError::PrivateCode(id))?,
                };
                book.bundle(code_hash)?
            }
        };
        Ok((id, bundle))
    }

    /// The bundle kept here for a contract, if there is one.
    pub(crate) async fn known_bundle(&self, chain: &ChainClient, id: ContractId) -> Option<Bundle> {
        let known = chain.contract(id).await.ok()??;
        let book = self.book().ok()?;
        let code_hash = match known.code_hash {
            Some(hash) => hash,
            None => book.code_of(chain.genesis(), id).ok()??,
        };
        book.bundle(code_hash).ok()
    }
}

/// The one worker whose public key begins with this text in hex.
fn named_by(workers: &[WorkerId], text: &str) -> Result<WorkerId, Refusal> {
    let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(Refusal::NotAWorker(text.into()));
    }
    let mut found = workers
        .iter()
        .filter(|worker| hex::encode(worker.0).starts_with(&digits));
    match (found.next(), found.count()) {
        (Some(worker), 0) => Ok(*worker),
        (Some(_), more) => Err(Refusal::ManyWorkers {
            text: text.into(),
            count: more + 1,
        }),
        (None, _) => Err(Refusal::UnknownWorker(text.into())),
    }
}

/// See [`Context::roots`].
pub(crate) fn roots(global: &Global) -> Result<Roots, CliError> {
    let Some(path) = &global.ca else {
        return Ok(Roots::default());
    };
    Roots::from_pem(&read(path)?).map_err(|source| CliError::Roots {
        path: path.clone(),
        source,
    })
}

/// How every Wasm file begins.
const WASM: &[u8] = b"\0asm";

/// What `cargo contract` called a contract's description up to version 2.
const METADATA: &str = "metadata.json";

/// Reads a bundle's file, or a `.wasm` file with the description of the contract beside it.
pub(crate) fn load_bundle(path: &Path) -> Result<(Vec<u8>, Bundle), CliError> {
    let mut bytes = read(path)?;
    if bytes.starts_with(WASM) {
        let candidates = [path.with_extension("json"), path.with_file_name(METADATA)];
        let Some(description) = candidates.into_iter().find(|path| path.exists()) else {
            return Err(CliError::NoMetadata { path: path.into() });
        };
        bytes = with_code(&read(&description)?, &bytes).map_err(|source| CliError::Bundle {
            path: description,
            source,
        })?;
    }
    let bundle = Bundle::parse(&bytes).map_err(|source| CliError::Bundle {
        path: path.into(),
        source,
    })?;
    Ok((bytes, bundle))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    read_limited(path).map_err(|source| CliError::File {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_named_by_what_only_its_key_begins_with() {
        let workers = [[0x12; 32], [0x13; 32], [0xab; 32]].map(WorkerId);
        for text in ["0x12", "12", "0xAB", &hex::encode([0xab; 32]), "a"] {
            assert!(named_by(&workers, text).is_ok(), "{text}");
        }
        assert!(matches!(
            named_by(&workers, "0x1"),
            Err(Refusal::ManyWorkers { count: 2, .. })
        ));
        assert!(matches!(
            named_by(&workers, "0x14"),
            Err(Refusal::UnknownWorker(_))
        ));
        for text in ["", "0x", "worker", &"1".repeat(65)] {
            let named = named_by(&workers, text);
            assert!(matches!(named, Err(Refusal::NotAWorker(_))), "{text}");
        }
    }
}
