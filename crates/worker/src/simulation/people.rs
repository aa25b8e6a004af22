//! Those who send transactions: users of the clusters, and their owner, who is the network's root too.

use super::network::Network;
use codec::Encode;
use pallet_phat_clusters::{
    Call as Clusters, ClusterPermission, CodeIndex, ContractInfo, Contracts, TransportKeys,
};
use pallet_phat_registry::{Call as Registry, ContractKeys, VersionedEndpoints};
use phat_attestation::Evidence;
use phat_crypto::{Keypair, contexts, envelope, rand_core::OsRng};
use phat_primitives::{
    AccountId, ClusterId, CodeHash, ContractId, WorkerId, blake2_256,
    command::{CommandPayload, InkCommand},
    ids,
    message::ResourceKind,
    private::{
        ARGUMENTS_STEP, CODE_STEP, PrivateInstantiate, PrivateUpload, SealedData, binding, padded,
    },
};
use phat_runtime::{MILLI_PHA, PHA, Runtime, RuntimeCall, System, signed_extrinsic};
use polkadot_sdk::{
    pallet_sudo, pallet_utility,
    sp_core::{Pair, sr25519},
};

const NAMES: [&str; 6] = [
    "//Alice",
    "//Bob",
    "//Charlie",
    "//Dave",
    "//Eve",
    "//Ferdie",
];
const GAS: u64 = 10_000_000_000;
/// Codes that users upload.
const CODES: u32 = 3;

/// A contract whose state depends on every input that it ever got and on their order: each time it
/// keeps the hash of what it has kept and of the input. Input that begins with 255 makes it fail.
fn contract(variant: u32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "env" "memory" (memory 2 16))
            (import "seal0" "input" (func $input (param i32 i32)))
            (import "seal0" "seal_set_storage" (func $set (param i32 i32 i32)))
            (import "seal0" "seal_get_storage" (func $get (param i32 i32 i32) (result i32)))
            (import "seal0" "hash_blake2_256" (func $hash (param i32 i32 i32)))
            (func (export "deploy") (call $keep))
            (func (export "call") (call $keep))
            (func $keep
                (i32.store (i32.const 32) (i32.const {variant}))
                (i32.store (i32.const 4096) (i32.const 32))
                (drop (call $get (i32.const 0) (i32.const 64) (i32.const 4096)))
                (i32.store (i32.const 4096) (i32.const 1024))
                (call $input (i32.const 96) (i32.const 4096))
                (if (i32.eq (i32.load8_u (i32.const 96)) (i32.const 255)) (then unreachable))
                (call $hash
                    (i32.const 32)
                    (i32.add (i32.const 64) (i32.load (i32.const 4096)))
                    (i32.const 64))
                (call $set (i32.const 0) (i32.const 64) (i32.const 32))))"#
    ))
    .unwrap()
}

fn hash_of(code: &[u8]) -> CodeHash {
    CodeHash::from(blake2_256(code))
}

pub(super) struct People {
    pairs: Vec<sr25519::Pair>,
    contracts: Vec<ContractId>,
    salts: u64,
}

impl People {
    pub(super) fn new() -> Self {
        let pair = |name: &&str| sr25519::Pair::from_string(name, None).unwrap();
        Self {
            pairs: NAMES.iter().map(pair).collect(),
            contracts: Vec::new(),
            salts: 0,
        }
    }

    fn account(&self, who: usize) -> AccountId {
        AccountId(self.pairs[who].public().0)
    }

    /// Who operates the workers and owns the clusters.
    pub(super) fn owner(&self) -> AccountId {
        self.account(0)
    }

    /// Sends a transaction, unless an earlier one of the account waits still.
    fn send(&self, network: &mut Network, who: usize, call: impl Into<RuntimeCall>) -> bool {
        let account: phat_runtime::AccountId = self.account(who).0.into();
        let nonce = network.chain.inspect(|| System::account_nonce(account));
        let genesis = network.chain.genesis_hash();
        let signed = signed_extrinsic(&self.pairs[who], call.into(), nonce.unwrap(), genesis);
        network.chain.submit(&signed).is_ok()
    }

    /// The owner does something.
    pub(super) fn govern(&self, network: &mut Network, call: impl Into<RuntimeCall>) -> bool {
        self.send(network, 0, call)
    }

    /// Registers the workers, makes the first one the gatekeeper, and creates the clusters.
    pub(super) fn set_up(
        &self,
        network: &mut Network,
        evidence: Vec<Evidence>,
        clusters: &[&[WorkerId]],
    ) {
        let first = evidence[0].claims().worker;
        let mut calls: Vec<RuntimeCall> = evidence.into_iter().map(register).collect();
        calls.push(sudo(Registry::add_gatekeeper { worker: first }));
        let code = contract(0).try_into().unwrap();
        calls.push(sudo(Clusters::set_pink_system_code { code }));
        let owner: phat_runtime::AccountId = self.owner().0.into();
        for (number, workers) in (1..).zip(clusters) {
            let cluster = Clusters::add_cluster {
                permission: ClusterPermission::Public,
                workers: workers.to_vec().try_into().unwrap(),
                gas_price: 1,
                deposit_per_item: 100,
                deposit_per_byte: 10,
                treasury_account: owner.clone(),
            };
            calls.push(cluster.into());
            for who in 0..NAMES.len() {
                let deposit = Clusters::transfer_to_cluster {
                    amount: 10 * PHA,
                    cluster_id: ids::cluster_id(number),
                    dest_account: self.account(who).0.into(),
                };
                calls.push(deposit.into());
            }
            for variant in 1..=CODES {
                let code = Clusters::cluster_upload_resource {
                    cluster_id: ids::cluster_id(number),
                    resource_type: ResourceKind::InkCode,
                    resource_data: contract(variant),
                };
                calls.push(code.into());
            }
        }
        assert!(self.govern(network, pallet_utility::Call::batch_all { calls }));
    }

    /// Some user does something in a cluster.
    pub(super) fn act(&mut self, network: &mut Network, cluster: ClusterId) {
        let who = 1 + network.dice.below(NAMES.len() - 1);
        let what = network.dice.weighted(&[10, 6, 3, 40, 1, 8, 4, 8]);
        let call: Option<RuntimeCall> = match what {
            0 => Some(self.deposit(network, cluster, who).into()),
            1 => Some(
                Clusters::transfer_from_cluster {
                    cluster_id: cluster,
                    // At times more than there is.
                    amount: MILLI_PHA * (10 + network.dice.below(30_000) as u128),
                }
                .into(),
            ),
            2 => self.instantiate(network, cluster, who),
            3 => self.command(network),
            4 => Some(
                Clusters::cluster_upload_resource {
                    cluster_id: cluster,
                    resource_type: ResourceKind::InkCode,
                    resource_data: contract(network.dice.below(10) as u32),
                }
                .into(),
            ),
            5 => self.private_code(network, cluster, who),
            6 => self.private_contract(network, cluster, who),
            _ => Some(self.deposit(network, cluster, 1).into()),
        };
        let Some(call) = call else { return };
        let sent = self.send(network, who, call);
        let cluster = cluster.to_low_u64_be();
        network.note(format!(
            "user {who} does {what} in cluster {cluster}: {sent}"
        ));
    }

    fn deposit(&self, network: &mut Network, cluster: ClusterId, to: usize) -> Clusters<Runtime> {
        Clusters::transfer_to_cluster {
            amount: MILLI_PHA * (1 + network.dice.below(1000) as u128),
            cluster_id: cluster,
            dest_account: self.account(to).0.into(),
        }
    }

    /// A little money for somebody in a cluster, so that its state changes.
    pub(super) fn stir(&self, network: &mut Network, clusters: &[ClusterId]) -> bool {
        let calls = clusters
            .iter()
            .map(|cluster| self.deposit(network, *cluster, 1).into())
            .collect();
        self.send(network, 1, pallet_utility::Call::batch_all { calls })
    }

    fn salt(&mut self) -> Vec<u8> {
        self.salts += 1;
        self.salts.encode()
    }

    fn made(&mut self, cluster: ClusterId, who: usize, code: &CodeHash, salt: &[u8]) {
        let id = ids::contract_id(&self.account(who), code, &cluster, salt);
        self.contracts.push(id);
    }

    fn instantiate(
        &mut self,
        network: &mut Network,
        cluster: ClusterId,
        who: usize,
    ) -> Option<RuntimeCall> {
        let code = hash_of(&contract(1 + network.dice.below(CODES as usize) as u32));
        let salt = self.salt();
        self.made(cluster, who, &code, &salt);
        Some(
            Clusters::instantiate_contract {
                code_index: CodeIndex::WasmCode(code),
                data: input(network),
                salt,
                cluster_id: cluster,
                transfer: 0,
                gas_limit: GAS,
                storage_deposit_limit: None,
                deposit: 0,
            }
            .into(),
        )
    }

    fn command(&mut self, network: &mut Network) -> Option<RuntimeCall> {
        let contract = network.dice.pick(&self.contracts)?;
        let command = InkCommand::InkMessage {
            nonce: Vec::new(),
            message: input(network),
            transfer: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
        };
        let key = network
            .chain
            .inspect(|| ContractKeys::<Runtime>::get(contract));
        let payload = match key.unwrap().filter(|_| network.dice.percent(60)) {
            Some(key) => {
                let sender = Keypair::generate(&mut OsRng);
                let shared = sender.agree(&key).unwrap();
                let plain = command.encode();
                let sealed =
                    envelope::encrypt(&shared, sender.public(), &plain, &mut OsRng).unwrap();
                CommandPayload::Encrypted(sealed)
            }
            None => CommandPayload::Plain(command),
        };
        Some(
            Clusters::push_contract_message {
                contract_id: contract,
                payload: payload.encode(),
                deposit: 0,
            }
            .into(),
        )
    }

    fn sealed(
        &self,
        network: &Network,
        cluster: ClusterId,
        who: usize,
        plain: &[u8],
        purpose: contexts::Context,
    ) -> Option<SealedData> {
        let key = network
            .chain
            .inspect(|| TransportKeys::<Runtime>::get(cluster));
        let (epoch, key) = key.unwrap()?;
        let binding = binding(&cluster, &self.account(who));
        let data = envelope::seal_data(&key, plain, purpose, &binding, &mut OsRng).unwrap();
        Some(SealedData { epoch, data })
    }

    fn private_code(
        &mut self,
        network: &mut Network,
        cluster: ClusterId,
        who: usize,
    ) -> Option<RuntimeCall> {
        let upload = PrivateUpload {
            kind: ResourceKind::InkCode,
            code: contract(20 + network.dice.below(3) as u32),
        };
        let plain = padded(&upload, CODE_STEP);
        let sealed = self.sealed(network, cluster, who, &plain, contexts::PRIVATE_UPLOAD)?;
        let cluster_id = cluster;
        Some(Clusters::upload_private { cluster_id, sealed }.into())
    }

    fn private_contract(
        &mut self,
        network: &mut Network,
        cluster: ClusterId,
        who: usize,
    ) -> Option<RuntimeCall> {
        let code_hash = hash_of(&contract(20 + network.dice.below(3) as u32));
        let salt = self.salt();
        self.made(cluster, who, &code_hash, &salt);
        let instantiate = PrivateInstantiate {
            code_hash,
            data: input(network),
            salt,
            transfer: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
        };
        let plain = padded(&instantiate, ARGUMENTS_STEP);
        let purpose = contexts::PRIVATE_INSTANTIATE;
        let sealed = self.sealed(network, cluster, who, &plain, purpose)?;
        Some(
            Clusters::instantiate_private {
                cluster_id: cluster,
                sealed,
                deposit: 0,
            }
            .into(),
        )
    }

    /// Contracts whose commands the chain takes.
    pub(super) fn known(&self, network: &Network) -> usize {
        let known = |contract: &&ContractId| -> bool {
            let info: Option<ContractInfo<_>> = network
                .chain
                .inspect(|| Contracts::<Runtime>::get(*contract))
                .unwrap();
            info.is_some()
        };
        self.contracts.iter().filter(known).count()
    }
}

/// Input for a contract.
fn input(network: &mut Network) -> Vec<u8> {
    let mut bytes = network.dice.number().to_le_bytes();
    if network.dice.percent(10) {
        bytes[0] = 255;
    }
    bytes.to_vec()
}

/// A worker is registered by its operator.
pub(super) fn register(evidence: Evidence) -> RuntimeCall {
    Registry::register_worker {
        evidence: Box::new(evidence),
        endpoints: VersionedEndpoints::new([]).unwrap(),
    }
    .into()
}

/// As the network's root.
pub(super) fn sudo(call: impl Into<RuntimeCall>) -> RuntimeCall {
    pallet_sudo::Call::sudo {
        call: Box::new(call.into()),
    }
    .into()
}
