//! Setting the network up: one transaction with everything in it.

use super::{DevError, Example, Running, bundles, chain::ChainRpc, owner_id};
use pallet_phat_clusters::{ClusterPermission, CodeIndex};
use pallet_phat_economy::Settings;
use pallet_phat_registry::VersionedEndpoints;
use phat_primitives::{
    AccountId, Balance, ClusterId, CodeHash, ContractId, ids, message::ResourceKind,
};
use phat_runtime::{MILLI_PHA, PHA, RuntimeCall};
use polkadot_sdk::{
    pallet_sudo, pallet_utility,
    sp_core::{Pair, sr25519},
};
use std::time::Duration;

/// Price of a unit of gas: a second of computing on the reference hardware costs one PHA.
pub(crate) const GAS_PRICE: Balance = 1;
/// Deposit per storage item.
pub(crate) const DEPOSIT_PER_ITEM: Balance = MILLI_PHA / 10;
/// Deposit per byte: a kilobyte costs a thousandth of a PHA.
pub(crate) const DEPOSIT_PER_BYTE: Balance = MILLI_PHA / 1_000;
/// What the owner gets inside the cluster.
const OWNER_FUNDS: Balance = 10_000 * PHA;
/// Gas for each constructor: a second on the reference hardware, much more than any needs.
const CONSTRUCTOR_GAS: u64 = 1_000_000_000_000;

/// A contract by its name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) id: ContractId,
    pub(super) code_hash: CodeHash,
    /// Its bundle as a file.
    pub(super) bundle: &'static [u8],
    /// A call without arguments that changes nothing.
    pub(super) question: Vec<u8>,
}

/// Selector of `System::version`, which every system contract has.
const SYSTEM_VERSION: [u8; 4] = [0x87, 0xc9, 0x8a, 0x8d];

/// The contracts that the network has from the beginning, in the order in which they are made. Their
/// ids follow from what they are made of.
pub(super) fn contracts(cluster: &ClusterId, examples: &[Example]) -> Result<Vec<Named>, DevError> {
    let owner = owner_id()?;
    let (file, system) = bundles::system()?;
    let code_hash = CodeHash::from(phat_primitives::blake2_256(system.code()?));
    let mut named = vec![Named {
        name: "system".into(),
        id: ids::contract_id(&owner, &code_hash, cluster, &[]),
        code_hash,
        bundle: file,
        question: SYSTEM_VERSION.to_vec(),
    }];
    for example in examples {
        let question = example.bundle.interface.message(example.question)?;
        named.push(Named {
            name: example.name.into(),
            id: ids::contract_id(&owner, &example.code_hash, cluster, &[]),
            code_hash: example.code_hash,
            bundle: example.bytes,
            question: example
                .bundle
                .interface
                .encode_call(question, &[] as &[&str])?,
        });
    }
    Ok(named)
}

/// Brings a network that exists up to what was asked for now: workers that came are registered and
/// assigned unless eras do that, and workers that moved say where they are. Evidence that has expired
/// while the network was stopped the workers renew themselves.
pub(super) async fn complete(
    chain: &ChainRpc,
    cluster: &ClusterId,
    workers: &[&Running],
    era: Option<Duration>,
) -> Result<(), DevError> {
    use pallet_phat_clusters::Call as Clusters;
    use pallet_phat_registry::Call as Registry;
    let members = chain.workers_of(cluster).await?;
    let eras = chain.eras_run().await?;
    let mut calls: Vec<RuntimeCall> = Vec::new();
    calls.extend(set_era(chain, era).await?);
    for running in workers {
        let worker = running.worker.id();
        let known = chain.endpoints_of(&worker).await?;
        let endpoints = endpoints(running)?;
        match known {
            None => {
                let evidence = Box::new(running.worker.evidence().await?);
                calls.push(
                    Registry::register_worker {
                        evidence,
                        endpoints,
                    }
                    .into(),
                );
            }
            Some(urls) if urls != [running.url.as_str()] => {
                calls.push(Registry::update_endpoints { worker, endpoints }.into());
            }
            Some(_) => {}
        }
        if !eras && !members.contains(&worker) && !chain.comes_back(&worker).await? {
            calls.push(
                Clusters::add_worker_to_cluster {
                    worker,
                    cluster_id: *cluster,
                }
                .into(),
            );
        }
    }
    if calls.is_empty() {
        return Ok(());
    }
    chain
        .submit(&signer()?, pallet_utility::Call::batch_all { calls }.into())
        .await
}

fn endpoints(running: &Running) -> Result<VersionedEndpoints, DevError> {
    VersionedEndpoints::new([running.url.as_str()])
        .ok_or_else(|| DevError::Setup("the endpoint of a worker is too long".into()))
}

fn signer() -> Result<sr25519::Pair, DevError> {
    sr25519::Pair::from_string(super::OWNER, None)
        .map_err(|_| DevError::Setup("the owner's secret is not one".into()))
}

/// Registers the workers, makes the first one the gatekeeper, creates the cluster, and uploads and
/// instantiates the examples.
pub(super) async fn submit(
    chain: &ChainRpc,
    workers: &[Running],
    examples: &[Example],
    era: Option<Duration>,
) -> Result<(), DevError> {
    let mut calls = calls(owner_id()?, workers, examples).await?;
    calls.extend(set_era(chain, era).await?);
    chain
        .submit(&signer()?, pallet_utility::Call::batch_all { calls }.into())
        .await
}

/// Sets the length of eras, if it is to be another one. The network's beginning does not say it, or it
/// could not be changed when the network is started again.
async fn set_era(chain: &ChainRpc, era: Option<Duration>) -> Result<Option<RuntimeCall>, DevError> {
    let Some(era_ms) = era.and_then(|era| u64::try_from(era.as_millis()).ok()) else {
        return Ok(None);
    };
    let mut settings = chain.economy_settings().await?;
    if settings.era_ms == era_ms {
        return Ok(None);
    }
    let usual = Settings::default();
    settings.era_ms = era_ms;
    settings.heartbeat_ms = usual.heartbeat_ms.min(era_ms);
    settings.handover_ms = usual.handover_ms.min(era_ms);
    Ok(Some(sudo(
        pallet_phat_economy::Call::set_settings { settings }.into(),
    )))
}

fn sudo(call: RuntimeCall) -> RuntimeCall {
    pallet_sudo::Call::sudo {
        call: Box::new(call),
    }
    .into()
}

async fn calls(
    owner: AccountId,
    workers: &[Running],
    examples: &[Example],
) -> Result<Vec<RuntimeCall>, DevError> {
    use pallet_phat_clusters::Call as Clusters;
    use pallet_phat_registry::Call as Registry;
    let too_many = |what: &str| DevError::Setup(format!("too many {what}"));
    let cluster_id = ids::cluster_id(1);
    let owner_account = phat_runtime::AccountId::from(owner.0);
    let mut calls: Vec<RuntimeCall> = Vec::new();
    for running in workers {
        let endpoints = endpoints(running)?;
        let evidence = Box::new(running.worker.evidence().await?);
        calls.push(
            Registry::register_worker {
                evidence,
                endpoints,
            }
            .into(),
        );
    }
    let first = workers
        .first()
        .ok_or_else(|| DevError::Setup("there is no worker".into()))?;
    calls.push(sudo(
        Registry::add_gatekeeper {
            worker: first.worker.id(),
        }
        .into(),
    ));
    let (_, system) = bundles::system()?;
    let code = system
        .code()?
        .to_vec()
        .try_into()
        .map_err(|_| too_many("bytes of the system contract"))?;
    calls.push(sudo(Clusters::set_pink_system_code { code }.into()));
    let ids: Vec<_> = workers.iter().map(|running| running.worker.id()).collect();
    calls.push(
        Clusters::add_cluster {
            permission: ClusterPermission::Public,
            workers: ids.try_into().map_err(|_| too_many("workers"))?,
            gas_price: GAS_PRICE,
            deposit_per_item: DEPOSIT_PER_ITEM,
            deposit_per_byte: DEPOSIT_PER_BYTE,
            treasury_account: owner_account.clone(),
        }
        .into(),
    );
    calls.push(
        Clusters::transfer_to_cluster {
            amount: OWNER_FUNDS,
            cluster_id,
            dest_account: owner_account,
        }
        .into(),
    );
    for example in examples {
        calls.push(
            Clusters::cluster_upload_resource {
                cluster_id,
                resource_type: ResourceKind::InkCode,
                resource_data: example.bundle.code()?.to_vec(),
            }
            .into(),
        );
        let (name, args) = example.constructor;
        let constructor = example.bundle.interface.constructor(name)?;
        calls.push(
            Clusters::instantiate_contract {
                code_index: CodeIndex::WasmCode(example.code_hash),
                data: example.bundle.interface.encode_call(constructor, args)?,
                salt: Vec::new(),
                cluster_id,
                transfer: 0,
                gas_limit: CONSTRUCTOR_GAS,
                storage_deposit_limit: None,
                deposit: 0,
            }
            .into(),
        );
    }
    Ok(calls)
}
