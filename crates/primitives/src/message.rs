//! Chain → workers: the ordered messages of a block.
//!
//! The chain writes the [`Outbound`] value of each block under [`OUTBOUND_KEY`] and its hash into
//! the header's digest (consensus engine [`DIGEST_ENGINE`]). A worker that trusts a header therefore
//! can check the messages of that block wherever it got them from, without an archive of old state.

use crate::{
    AccountId, Balance, BlockNumber, ClusterId, CodeHash, ContractId, Hash, MessageNumber,
    WorkerId, blake2_256, credit::CreditOrder, policy::Policy, private::SealedData,
};
use alloc::{boxed::Box, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Storage key of the current block's [`Outbound`]: well known, not derived from a pallet's name,
/// because chains and workers of all versions must agree on it.
pub const OUTBOUND_KEY: &[u8] = b":phat:outbound";
/// Consensus engine id of the digest item that holds [`Outbound::hash`].
pub const DIGEST_ENGINE: [u8; 4] = *b"phat";

/// Everything the chain tells the workers in one block.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Outbound {
    /// Time of the block in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Number of the first message; the others follow without a gap.
    pub first: MessageNumber,
    /// The messages, in the order in which they are to be applied.
    pub messages: Vec<Message>,
}

impl Outbound {
    /// The hash that stands in the block's digest: BLAKE2b-256 of the SCALE encoding.
    pub fn hash(&self) -> Hash {
        Hash::from(blake2_256(&self.encode()))
    }
}

/// One ordered message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Message {
    /// This worker is a gatekeeper from now on. Another one sends it the master keys, unless it is
    /// the first, which is asked to make one.
    GatekeeperAdded(WorkerId),
    /// Something that concerns one cluster.
    Cluster(ClusterId, ClusterMessage),
    /// This worker is no gatekeeper any more, and forgets the master keys.
    #[codec(index = 20)]
    GatekeeperRemoved(WorkerId),
    /// A gatekeeper is to make the master key of a new generation.
    #[codec(index = 21)]
    MasterKeyWanted {
        /// Generations count from 0.
        generation: u32,
        /// Who makes it.
        maker: WorkerId,
    },
    /// The master key of a generation has been made; the other gatekeepers need it.
    #[codec(index = 22)]
    MasterKeyMade {
        /// Which one.
        generation: u32,
        /// Its public key.
        public: [u8; 32],
    },
    /// All master keys, for one gatekeeper only.
    #[codec(index = 23)]
    MasterKeysDelivered(MasterKeys),
    /// Every worker in a cluster is to report what its cluster has come to after this block, also if
    /// nothing has changed: an era begins, and it is seen who is alive.
    #[codec(index = 30)]
    HeartbeatWanted,
}

/// A message that concerns one cluster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum ClusterMessage {
    /// The cluster begins to exist. Its first state is the system contract made from this code.
    Created(Box<ClusterGenesis>),
    /// A worker is assigned to the cluster; a gatekeeper sends it the key.
    WorkerAdded(WorkerId),
    /// A worker leaves the cluster.
    WorkerRemoved(WorkerId),
    /// The cluster's keys, for one worker only.
    KeyDelivered(KeyDelivery),
    /// Adds code to the cluster.
    Upload {
        /// Who pays the deposit for the code.
        owner: AccountId,
        /// What kind of code it is.
        kind: ResourceKind,
        /// The bytes.
        code: Vec<u8>,
    },
    /// Makes a contract.
    Instantiate(Instantiate),
    /// Calls a contract: a command.
    Command {
        /// Who sent it.
        sender: AccountId,
        /// The contract called.
        contract: ContractId,
        /// A SCALE-encoded [`crate::command::CommandPayload`], as the sender sent it.
        payload: Vec<u8>,
    },
    /// Money enters the cluster: already held by the chain.
    Deposit {
        /// The account in the cluster that receives it.
        account: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Money leaves the cluster if the account has it; the chain pays it out once the workers have
    /// reported it, and says so with [`ClusterMessage::WithdrawalDecided`].
    Withdraw {
        /// The account in the cluster that pays.
        account: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Tells a worker why it leaves: its state is not the one that most workers of the cluster have
    /// agreed on. [`ClusterMessage::WorkerRemoved`] follows.
    #[codec(index = 15)]
    WorkerDiverged {
        /// The worker.
        worker: WorkerId,
        /// Block after which it reported something else than the others.
        block: BlockNumber,
    },
    /// Adds code that only the workers can read.
    #[codec(index = 16)]
    UploadPrivate {
        /// Who pays the deposit for the code.
        owner: AccountId,
        /// A [`PrivateUpload`](crate::private::PrivateUpload).
        sealed: SealedData,
    },
    /// Makes a contract that only the workers know what it is made from.
    #[codec(index = 17)]
    InstantiatePrivate {
        /// Who makes it and pays.
        deployer: AccountId,
        /// A [`PrivateInstantiate`](crate::private::PrivateInstantiate).
        sealed: SealedData,
    },
    /// The cluster has a new transport key; a gatekeeper sends it to all its workers.
    #[codec(index = 20)]
    TransportRotated(TransportEpoch),
    /// What is staked on a contract now, by all together: its weight in the queues of the workers.
    #[codec(index = 25)]
    ContractStake {
        /// The contract.
        contract: ContractId,
        /// The whole of it.
        stake: Balance,
    },
    /// The cluster has another policy.
    #[codec(index = 26)]
    PolicySet(Box<Policy>),
    /// Something about a credit. It concerns the workers, and is not part of the cluster's state.
    #[codec(index = 27)]
    Credit(CreditOrder),
    /// This was spent of credits, and belongs to the cluster's treasury from now on.
    #[codec(index = 28)]
    CreditSettled {
        /// How much.
        amount: Balance,
    },
    /// The chain has the word of enough workers on how a withdrawal ended, and needs no more of them.
    #[codec(index = 29)]
    WithdrawalDecided {
        /// Number of the message that asked for the withdrawal.
        number: MessageNumber,
    },
}

/// What a cluster starts with.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ClusterGenesis {
    /// Owner of the cluster, deployer of the system contract.
    pub owner: AccountId,
    /// Prices in force in the cluster.
    pub prices: Prices,
    /// Wasm of the system contract.
    pub system_code: Vec<u8>,
    /// Id of the system contract, see [`crate::ids::contract_id`] with an empty salt.
    pub system_contract: ContractId,
    /// Workers assigned from the beginning.
    pub workers: Vec<WorkerId>,
    /// Generation of the master key that the cluster's root key is derived from, for life.
    pub generation: u32,
}

/// Prices in force in a cluster.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub struct Prices {
    /// Price of one unit of gas.
    pub gas_price: Balance,
    /// Deposit per storage item.
    pub deposit_per_item: Balance,
    /// Deposit per byte of storage.
    pub deposit_per_byte: Balance,
    /// Receives the fees.
    pub treasury: AccountId,
}

/// Which transport key of a cluster is in force. A cluster's first one is the default.
///
/// Epochs are numbered without a gap. Those from `first` on form a chain in which each key gives the
/// earlier ones and none of the later ones; a chain is derived from one generation of the master key.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub struct TransportEpoch {
    /// Generation of the master key that the chain comes from.
    pub generation: u32,
    /// First epoch of the chain.
    pub first: u32,
    /// The epoch in force.
    pub epoch: u32,
}

impl TransportEpoch {
    /// What comes next: in the same chain as long as it lasts and the generation stays.
    pub fn next(self, generation: u32) -> Self {
        let epoch = self.epoch.saturating_add(1);
        let goes_on = generation == self.generation
            && epoch.saturating_sub(self.first) < crate::limits::EPOCHS_PER_CHAIN;
        Self {
            generation,
            first: if goes_on { self.first } else { epoch },
            epoch,
        }
    }
}

/// A cluster's keys, encrypted to one worker by a gatekeeper.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct KeyDelivery {
    /// For whom.
    pub worker: WorkerId,
    /// Public half of the cluster's root key: the worker checks what it decrypts against it.
    pub public: [u8; 32],
    /// The root key.
    pub secret: SealedKey,
    /// The transport keys: of each chain the last one, the one in force at the end. At most
    /// [`crate::limits::MAX_TRANSPORT_CHAINS`].
    pub transport: Vec<TransportDelivery>,
}

/// A transport key of a cluster, encrypted to one worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TransportDelivery {
    /// First epoch of its chain.
    pub first: u32,
    /// Its epoch.
    pub epoch: u32,
    /// Public half of the key that clients encrypt to in this epoch.
    pub public: [u8; 32],
    /// The secret that this key and all earlier ones of the chain are made from.
    pub secret: SealedKey,
}

/// The network's master keys, encrypted to one gatekeeper by another.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct MasterKeys {
    /// For whom.
    pub worker: WorkerId,
    /// The key of each generation from 0 on; at most
    /// [`crate::limits::MAX_MASTER_GENERATIONS`].
    pub keys: Vec<SealedKey>,
}

/// A 32-byte secret encrypted to an sr25519 public key. Of fixed size, so that it can stand in
/// bounded storage.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub struct SealedKey {
    /// Nonce of the cipher.
    pub iv: [u8; 12],
    /// The sender's one-time public key for the key agreement.
    pub ephemeral: [u8; 32],
    /// AES-256-GCM of the secret: 32 bytes and the tag.
    pub data: [u8; 48],
}

/// Kinds of code that can be uploaded, in the order that clients know.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub enum ResourceKind {
    /// Deterministic ink! code.
    InkCode,
    /// A SideVM program: known to clients, refused here.
    SidevmCode,
    /// ink! code that may only serve queries.
    IndeterministicInkCode,
}

/// Makes a contract from uploaded code.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Instantiate {
    /// Who makes it and pays.
    pub deployer: AccountId,
    /// The code.
    pub code_hash: CodeHash,
    /// Selector and arguments of the constructor.
    pub data: Vec<u8>,
    /// Makes the contract's id unique.
    pub salt: Vec<u8>,
    /// Money that goes to the new contract.
    pub transfer: Balance,
    /// Most gas to use.
    pub gas_limit: u64,
    /// Most storage deposit to pay.
    pub storage_deposit_limit: Option<Balance>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_time_numbers_and_messages() {
        let base = Outbound {
            now_ms: 1,
            first: 2,
            messages: Vec::new(),
        };
        let mut later = base.clone();
        later.now_ms = 2;
        let mut renumbered = base.clone();
        renumbered.first = 3;
        let mut longer = base.clone();
        longer
            .messages
            .push(Message::GatekeeperAdded(WorkerId([7; 32])));
        for other in [later, renumbered, longer] {
            assert_ne!(base.hash(), other.hash());
        }
    }

    #[test]
    fn epochs_go_on_in_their_chain_until_it_ends_or_the_master_key_changes() {
        let first = TransportEpoch::default();
        let second = first.next(0);
        assert_eq!((second.first, second.epoch), (0, 1));
        let moved = second.next(1);
        assert_eq!((moved.generation, moved.first, moved.epoch), (1, 2, 2));
        let last = TransportEpoch {
            epoch: crate::limits::EPOCHS_PER_CHAIN - 1,
            ..first
        };
        let after = last.next(0);
        assert_eq!((after.first, after.epoch), (last.epoch + 1, last.epoch + 1));
    }

    #[test]
    fn messages_survive_their_encoding() {
        let message = Message::Cluster(
            crate::ids::cluster_id(1),
            ClusterMessage::Command {
                sender: AccountId([1; 32]),
                contract: Hash::repeat_byte(2),
                payload: alloc::vec![3, 4],
            },
        );
        let bytes = message.encode();
        assert_eq!(Message::decode(&mut &bytes[..]), Ok(message));
        assert!(Message::decode(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
