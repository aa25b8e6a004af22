//! The line to the chain while the network is set up. The chain's types are linked in, so storage
//! keys and transactions are made by the compiler's rules and not by metadata.

use super::{DevError, setup::Named};
use codec::Decode;
use jsonrpsee::{
    core::client::{ClientT, SubscriptionClientT},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use pallet_phat_registry::VersionedEndpoints;
use phat_primitives::{BlockNumber, ClusterId, ContractId, Hash, WorkerId};
use phat_runtime::{Runtime, RuntimeCall, RuntimeEvent};
use polkadot_sdk::{
    frame_system,
    sp_core::{Pair, sr25519},
    sp_io::hashing::twox_128,
};
use serde_json::Value;
use std::time::Duration;

/// The events of a block.
type Events = Vec<Box<frame_system::EventRecord<RuntimeEvent, Hash>>>;

/// A connection to the chain.
pub(super) struct ChainRpc {
    client: WsClient,
}

fn text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

impl ChainRpc {
    pub(super) async fn connect(url: &str) -> Result<Self, DevError> {
        let client = WsClientBuilder::default()
            .request_timeout(Duration::from_secs(60))
            .build(url)
            .await?;
        Ok(Self { client })
    }

    async fn storage(&self, key: &[u8], at: Option<&str>) -> Result<Option<Vec<u8>>, DevError> {
        let value: Option<String> = self
            .client
            .request("state_getStorage", rpc_params![text(key), at])
            .await?;
        value
            .map(|value| hex::decode(value.trim_start_matches("0x")))
            .transpose()
            .map_err(|_| DevError::Malformed("state_getStorage"))
    }

    /// Height of the chain.
    pub(super) async fn height(&self) -> Result<BlockNumber, DevError> {
        let header: Value = self
            .client
            .request("chain_getHeader", rpc_params![])
            .await?;
        header["number"]
            .as_str()
            .and_then(|number| {
                BlockNumber::from_str_radix(number.trim_start_matches("0x"), 16).ok()
            })
            .ok_or(DevError::Malformed("chain_getHeader"))
    }

    /// Whether there is such a cluster.
    pub(super) async fn has_cluster(&self, cluster: &ClusterId) -> Result<bool, DevError> {
        let key = pallet_phat_clusters::Clusters::<Runtime>::hashed_key_for(cluster);
        Ok(self.storage(&key, None).await?.is_some())
    }

    /// The workers of a cluster.
    pub(super) async fn workers_of(&self, cluster: &ClusterId) -> Result<Vec<WorkerId>, DevError> {
        let key = pallet_phat_clusters::ClusterWorkers::<Runtime>::hashed_key_for(cluster);
        match self.storage(&key, None).await? {
            Some(bytes) => Vec::decode(&mut &bytes[..])
                .map_err(|_| DevError::Malformed("PhalaPhatContracts.ClusterWorkers")),
            None => Ok(Vec::new()),
        }
    }

    /// What governance has set for the economy.
    pub(super) async fn economy_settings(&self) -> Result<pallet_phat_economy::Settings, DevError> {
        let key = pallet_phat_economy::Setting::<Runtime>::hashed_key();
        match self.storage(&key, None).await? {
            Some(bytes) => Decode::decode(&mut &bytes[..])
                .map_err(|_| DevError::Malformed("PhatEconomy.Setting")),
            None => Ok(Default::default()),
        }
    }

    /// Whether eras decide which worker is in which cluster.
    pub(super) async fn eras_run(&self) -> Result<bool, DevError> {
        let key = pallet_phat_economy::ErasRun::<Runtime>::hashed_key();
        let value = self.storage(&key, None).await?;
        Ok(value.is_some_and(|bytes| bytes == [1]))
    }

    /// Whether a worker is in a cluster.
    pub(super) async fn is_in_cluster(&self, worker: &WorkerId) -> Result<bool, DevError> {
        let key = pallet_phat_clusters::WorkerCluster::<Runtime>::hashed_key_for(worker);
        Ok(self.storage(&key, None).await?.is_some())
    }

    /// Whether the state of a worker was not that of its cluster.
    pub(super) async fn has_diverged(&self, worker: &WorkerId) -> Result<bool, DevError> {
        let key = pallet_phat_clusters::Diverged::<Runtime>::hashed_key_for(worker);
        Ok(self.storage(&key, None).await?.is_some())
    }

    /// Where the chain says that a worker is; `None` if it is not registered.
    pub(super) async fn endpoints_of(
        &self,
        worker: &WorkerId,
    ) -> Result<Option<Vec<String>>, DevError> {
        let key = pallet_phat_registry::Endpoints::<Runtime>::hashed_key_for(worker);
        match self.storage(&key, None).await? {
            Some(bytes) => VersionedEndpoints::decode(&mut &bytes[..])
                .map(|endpoints| Some(endpoints.urls()))
                .map_err(|_| DevError::Malformed("PhalaRegistry.Endpoints")),
            None => Ok(None),
        }
    }

    /// Whether a worker is out of service and will be back in its cluster when it has renewed.
    pub(super) async fn comes_back(&self, worker: &WorkerId) -> Result<bool, DevError> {
        let key = pallet_phat_clusters::Lapsed::<Runtime>::hashed_key_for(worker);
        Ok(self.storage(&key, None).await?.is_some())
    }

    /// Which of these contracts the chain has ordered to be made.
    pub(super) async fn ordered(&self, contracts: &[Named]) -> Result<Vec<ContractId>, DevError> {
        let mut ordered = Vec::new();
        for contract in contracts {
            let key = pallet_phat_clusters::Contracts::<Runtime>::hashed_key_for(contract.id);
            if self.storage(&key, None).await?.is_some() {
                ordered.push(contract.id);
            }
        }
        Ok(ordered)
    }

    /// Which of these contracts have their key on the chain.
    pub(super) async fn published(&self, contracts: &[Named]) -> Result<Vec<ContractId>, DevError> {
        let mut published = Vec::new();
        for contract in contracts {
            let key = pallet_phat_registry::ContractKeys::<Runtime>::hashed_key_for(contract.id);
            if self.storage(&key, None).await?.is_some() {
                published.push(contract.id);
            }
        }
        Ok(published)
    }

    /// Signs a call with `signer`, submits it, waits for its block and says why it failed if it did.
    pub(super) async fn submit(
        &self,
        signer: &sr25519::Pair,
        call: RuntimeCall,
    ) -> Result<(), DevError> {
        let address = phat_client::keys::address(&phat_primitives::AccountId(signer.public().0));
        let nonce: u32 = self
            .client
            .request("system_accountNextIndex", rpc_params![address])
            .await?;
        let genesis: String = self
            .client
            .request("chain_getBlockHash", rpc_params![0])
            .await?;
        let genesis = Hash::from_slice(
            &hex::decode(genesis.trim_start_matches("0x"))
                .ok()
                .filter(|bytes| bytes.len() == 32)
                .ok_or(DevError::Malformed("chain_getBlockHash"))?,
        );
        let extrinsic = phat_runtime::signed_extrinsic(signer, call, nonce, genesis);
        let block = self.watch(&extrinsic).await?;
        self.check(&block).await
    }

    /// Submits a transaction and returns the hash of its block.
    async fn watch(&self, extrinsic: &[u8]) -> Result<String, DevError> {
        let mut statuses = self
            .client
            .subscribe::<Value, _>(
                "author_submitAndWatchExtrinsic",
                rpc_params![text(extrinsic)],
                "author_unwatchExtrinsic",
            )
            .await?;
        while let Some(status) = statuses.next().await {
            let status =
                status.map_err(|_| DevError::Malformed("author_submitAndWatchExtrinsic"))?;
            // A block of this chain is final when it is sealed.
            if let Some(block) = status["inBlock"].as_str() {
                return Ok(block.to_owned());
            }
            let failed = ["invalid", "dropped", "usurped"];
            if failed
                .iter()
                .any(|state| status == *state || status.get(state).is_some())
            {
                return Err(DevError::Setup(format!("the transaction is {status}")));
            }
        }
        Err(DevError::Setup(
            "the chain does not say what became of the transaction".into(),
        ))
    }

    /// Looks for a failure among the events of a block.
    async fn check(&self, block: &str) -> Result<(), DevError> {
        let key = [twox_128(b"System"), twox_128(b"Events")].concat();
        let bytes = self.storage(&key, Some(block)).await?.unwrap_or_default();
        let events = Events::decode(&mut &bytes[..]).map_err(|_| DevError::Malformed("events"))?;
        for record in events {
            match record.event {
                RuntimeEvent::System(frame_system::Event::ExtrinsicFailed {
                    dispatch_error,
                    ..
                }) => return Err(DevError::Setup(format!("{dispatch_error:?}"))),
                RuntimeEvent::Sudo(polkadot_sdk::pallet_sudo::Event::Sudid {
                    sudo_result: Err(error),
                }) => return Err(DevError::Setup(format!("{error:?}"))),
                _ => {}
            }
        }
        Ok(())
    }
}
