//! What travels between chain, workers and clients, made of bytes. The test beside this file runs the
//! targets on random bytes, libFuzzer (`fuzz` at the root) on bytes that find new paths.

use codec::{DecodeAll, Encode};
use phat_fuzzing::Input;
use phat_primitives::{
    AccountId, Balance, Hash, WorkerId,
    command::{CommandPayload, EncryptedData, InkCommand},
    commitment::{Link, ReceiptProof, commitment, leaf, path, root},
    credit::{CreditOrder, CreditReport, Lent, SliceUse},
    message::{
        ClusterGenesis, ClusterMessage, Instantiate, KeyDelivery, MasterKeys, Message, Outbound,
        Prices, ResourceKind, SealedKey, TransportDelivery, TransportEpoch,
    },
    policy::{Control, FeeModel, FreeCallers, Policy},
    private::{ARGUMENTS_STEP, PrivateInstantiate, PrivateUpload, SealedData, padded, unpadded},
    query::{
        AnswerStatement, CertificateBody, InkQuery, InkQueryData, InkQueryError, InkQueryOk,
        InkResponse, QueryHead, ReceiptProofRequest, ReceiptProofResponse, ReceiptRequest,
        ReceiptResponse, SignedAnswer,
    },
    receipt::{ContractEvent, Failure, Receipt, Success},
    report::{
        ContractReady, Heartbeat, Payload, PrivateContractReady, Report, Roots,
        SignedContractReady, SignedPrivateContractReady, SignedReport, WithdrawalOutcome,
        WorkerState,
    },
};
use std::sync::LazyLock;

const ACCOUNT: AccountId = AccountId([1; 32]);
const WORKER: WorkerId = WorkerId([2; 32]);
const HASH: Hash = Hash::repeat_byte(3);

/// Decodes bytes as a type. They must be the very bytes that its value is encoded to, since hashes and
/// signatures are over bytes. Answers whether they were a value at all.
type Check = fn(&[u8]) -> bool;

fn canonical<T: DecodeAll + Encode>(bytes: &[u8]) -> bool {
    let Ok(value) = T::decode_all(&mut &bytes[..]) else {
        return false;
    };
    assert_eq!(value.encode(), bytes, "another encoding of the same value");
    true
}

/// The same for queries, which may have what is paid for them behind them.
fn paying(bytes: &[u8]) -> bool {
    let Ok((query, amount)) = InkQuery::decode_paying(bytes) else {
        return false;
    };
    assert_eq!(query.encode_paying(amount), bytes);
    true
}

/// A value of every kind, encoded, with what decodes it.
static SAMPLES: LazyLock<Vec<(Vec<u8>, Check)>> = LazyLock::new(|| {
    fn samples<T: DecodeAll + Encode>(values: impl IntoIterator<Item = T>) -> Samples {
        let check: Check = canonical::<T>;
        values
            .into_iter()
            .map(|value| (value.encode(), check))
            .collect()
    }
    let outbound = Outbound {
        now_ms: 7,
        first: 9,
        messages: messages(),
    };
    [
        samples([outbound, Outbound::default()]),
        samples(messages()),
        samples([signed_report()]),
        samples(commands()),
        samples([private_upload()]),
        samples([private_instantiate()]),
        queries()
            .into_iter()
            .zip([0, 1, Balance::MAX])
            .map(|(query, amount)| (query.encode_paying(amount), paying as Check))
            .collect(),
        samples(responses()),
        samples(
            [
                Ok(Success::Called(vec![8; 9])),
                Ok(Success::Instantiated(HASH, vec![])),
                Err(Failure::Failed("out of gas".into())),
            ]
            .map(receipt),
        ),
        samples([proof().0]),
        samples([SignedContractReady {
            statement: ready(),
            signature: [4; 64],
        }]),
        samples([SignedPrivateContractReady {
            statement: PrivateContractReady {
                ready: ready(),
                deployer: ACCOUNT,
            },
            signature: [4; 64],
        }]),
        samples([WorkerState {
            cluster: HASH,
            block: 4,
            state_root: HASH,
            receipts: HASH,
        }]),
        samples([CertificateBody {
            pubkey: vec![1; 33],
            ttl: 7,
            config_bits: 0,
        }]),
        samples([ReceiptRequest {
            number: 8,
            nonce: [3; 32],
        }]),
        samples([ReceiptProofRequest {
            number: 8,
            agreed: 5,
            nonce: [3; 32],
        }]),
        samples([
            ReceiptResponse::Pending,
            ReceiptResponse::Found(Box::new(receipt(Ok(Success::Withdrawn(5))))),
        ]),
        samples([
            ReceiptProofResponse::TooFar,
            ReceiptProofResponse::Found(Box::new(proof().0)),
        ]),
        samples([SignedAnswer {
            statement: AnswerStatement {
                genesis: HASH,
                caller: ACCOUNT,
                request: HASH,
                answer: HASH,
                code_hash: Some(HASH),
                block: 3,
                state_root: HASH,
            },
            signature: [4; 64],
        }]),
    ]
    .concat()
});

type Samples = Vec<(Vec<u8>, Check)>;

fn sealed_key() -> SealedKey {
    SealedKey {
        iv: [1; 12],
        ephemeral: [2; 32],
        data: [3; 48],
    }
}

fn delivery() -> KeyDelivery {
    KeyDelivery {
        worker: WORKER,
        public: [5; 32],
        secret: sealed_key(),
        transport: vec![TransportDelivery {
            first: 0,
            epoch: 4,
            public: [6; 32],
            secret: sealed_key(),
        }],
    }
}

fn envelope() -> EncryptedData {
    EncryptedData {
        iv: [1; 12],
        pubkey: [2; 32],
        data: vec![3; 40],
    }
}

fn messages() -> Vec<Message> {
    let sealed = SealedData {
        epoch: 4,
        data: envelope(),
    };
    let in_cluster = [
        ClusterMessage::Created(Box::new(ClusterGenesis {
            owner: ACCOUNT,
            prices: Prices {
                gas_price: 1,
                deposit_per_item: 2,
                deposit_per_byte: 3,
                treasury: ACCOUNT,
            },
            system_code: b"\0asm".to_vec(),
            system_contract: HASH,
            workers: vec![WORKER; 3],
            generation: 1,
        })),
        ClusterMessage::WorkerAdded(WORKER),
        ClusterMessage::WorkerRemoved(WORKER),
        ClusterMessage::KeyDelivered(delivery()),
        ClusterMessage::Upload {
            owner: ACCOUNT,
            kind: ResourceKind::IndeterministicInkCode,
            code: b"\0asm".to_vec(),
        },
        ClusterMessage::Instantiate(Instantiate {
            deployer: ACCOUNT,
            code_hash: HASH,
            data: vec![1; 4],
            salt: vec![2; 8],
            transfer: 3,
            gas_limit: 4,
            storage_deposit_limit: Some(5),
        }),
        ClusterMessage::Command {
            sender: ACCOUNT,
            contract: HASH,
            payload: CommandPayload::Encrypted(envelope()).encode(),
        },
        ClusterMessage::Deposit {
            account: ACCOUNT,
            amount: 1 << 100,
        },
        ClusterMessage::Withdraw {
            account: ACCOUNT,
            amount: 1,
        },
        ClusterMessage::WorkerDiverged {
            worker: WORKER,
            block: 8,
        },
        ClusterMessage::UploadPrivate {
            owner: ACCOUNT,
            sealed: sealed.clone(),
        },
        ClusterMessage::InstantiatePrivate {
            deployer: ACCOUNT,
            sealed,
        },
        ClusterMessage::TransportRotated(TransportEpoch {
            generation: 1,
            first: 2,
            epoch: 3,
        }),
        ClusterMessage::ContractStake {
            contract: HASH,
            stake: 1 << 90,
        },
        ClusterMessage::PolicySet(Box::new(Policy {
            free: FreeCallers::Listed(vec![ACCOUNT; 2].try_into().unwrap_or_default()),
            fee_model: FeeModel::PayPerWeight,
            control: Some(Control {
                contract: HASH,
                gas_limit: 9,
            }),
        })),
        ClusterMessage::Credit(CreditOrder::Lent(Lent {
            number: 1,
            worker: WORKER,
            session: HASH,
            account: ACCOUNT,
            total: 2,
        })),
        ClusterMessage::Credit(CreditOrder::Recalled(ACCOUNT)),
        ClusterMessage::CreditSettled { amount: 5 },
        ClusterMessage::WithdrawalDecided { number: 3 },
    ];
    let mut messages = vec![
        Message::GatekeeperAdded(WORKER),
        Message::GatekeeperRemoved(WORKER),
        Message::MasterKeyWanted {
            generation: 1,
            maker: WORKER,
        },
        Message::MasterKeyMade {
            generation: 1,
            public: [9; 32],
        },
        Message::MasterKeysDelivered(MasterKeys {
            worker: WORKER,
            keys: vec![sealed_key(); 2],
        }),
    ];
    messages.extend(in_cluster.map(|message| Message::Cluster(HASH, message)));
    messages
}

fn signed_report() -> SignedReport {
    let payloads = vec![
        Payload::Heartbeat(Heartbeat {
            cluster: HASH,
            block: 3,
            state_root: HASH,
            receipts: HASH,
            withdrawals: vec![WithdrawalOutcome {
                number: 1,
                amount: 2,
            }],
        }),
        Payload::MasterKey {
            generation: 0,
            public: [1; 32],
        },
        Payload::ClusterKey {
            cluster: HASH,
            delivery: delivery(),
        },
        Payload::MasterKeys(MasterKeys {
            worker: WORKER,
            keys: vec![sealed_key()],
        }),
        Payload::Evidence(vec![7; 20]),
        Payload::Credit(CreditReport {
            cluster: HASH,
            session: HASH,
            slices: vec![SliceUse {
                account: ACCOUNT,
                number: 1,
                spent: 2,
                done: true,
            }],
            wanted: vec![ACCOUNT],
        }),
    ];
    SignedReport {
        report: Report {
            genesis: HASH,
            worker: WORKER,
            sequence: 5,
            payloads,
        },
        signature: [8; 64],
    }
}

fn commands() -> [CommandPayload; 2] {
    let command = InkCommand::InkMessage {
        nonce: vec![1; 32],
        message: vec![2; 10],
        transfer: 3,
        gas_limit: 4,
        storage_deposit_limit: None,
    };
    [
        CommandPayload::Plain(command),
        CommandPayload::Encrypted(envelope()),
    ]
}

fn private_upload() -> PrivateUpload {
    PrivateUpload {
        kind: ResourceKind::InkCode,
        code: b"\0asm".to_vec(),
    }
}

fn private_instantiate() -> PrivateInstantiate {
    PrivateInstantiate {
        code_hash: HASH,
        data: vec![1; 4],
        salt: vec![2; 32],
        transfer: 3,
        gas_limit: 4,
        storage_deposit_limit: Some(5),
    }
}

fn queries() -> [InkQuery; 3] {
    let data = [
        InkQueryData::InkMessage {
            payload: vec![1; 4],
            deposit: 2,
            transfer: 3,
            estimating: true,
        },
        InkQueryData::SidevmMessage(b"{}".to_vec()),
        InkQueryData::InkInstantiate {
            code_hash: HASH,
            salt: vec![],
            instantiate_data: vec![1; 4],
            deposit: 2,
            transfer: 3,
        },
    ];
    data.map(|data| InkQuery {
        head: QueryHead {
            id: HASH,
            nonce: [4; 32],
        },
        data,
    })
}

fn responses() -> [InkResponse; 3] {
    let results = [
        Ok(InkQueryOk::InkMessageReturn(vec![1, 2, 3])),
        Err(InkQueryError::RuntimeError("it is gone".into())),
        Err(InkQueryError::Timeout),
    ];
    results.map(|result| InkResponse {
        nonce: [4; 32],
        result,
    })
}

fn ready() -> ContractReady {
    ContractReady {
        cluster: HASH,
        contract: HASH,
        public: [3; 32],
    }
}

fn receipt(outcome: Result<Success, Failure>) -> Receipt {
    Receipt {
        number: 6,
        block: 7,
        sender: ACCOUNT,
        outcome,
        gas_used: 1,
        gas_refunded: 2,
        fee: 3,
        storage_deposit: -4,
        events: vec![ContractEvent {
            contract: HASH,
            topics: vec![HASH; 2],
            data: vec![5; 6],
        }],
        state_root: HASH,
    }
}

/// A proof with siblings and links, and what it leads to.
fn proof() -> (ReceiptProof, Roots) {
    let mut receipt = receipt(Ok(Success::Called(vec![1])));
    let mut leaves = Vec::new();
    for number in 0..5 {
        receipt.number = number;
        leaves.push(leaf(&receipt));
    }
    receipt.number = 2;
    let links = [9, 12].map(|block| Link {
        block,
        root: Hash::repeat_byte(block as u8),
    });
    let mut reached = commitment(&HASH, 7, &root(&leaves).unwrap_or_default());
    for link in &links {
        reached = commitment(&reached, link.block, &link.root);
    }
    let proof = ReceiptProof {
        receipt,
        path: path(&leaves, 2).unwrap_or_default(),
        before: HASH,
        links: links.to_vec(),
    };
    let agreed = Roots {
        state_root: HASH,
        receipts: reached,
    };
    (proof, agreed)
}

/// Some value's encoding with changes, or raw bytes, taken for a value of some kind.
pub(crate) fn message(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let (sample, check) = input.choose(&SAMPLES);
    if input.one_in(8) {
        let (_, other) = input.choose(&SAMPLES);
        return other(input.rest());
    }
    let mut bytes = sample.clone();
    input.bend_often(&mut bytes, 4);
    // The padding of private data takes nothing away and lets nothing else pass.
    let mut private = padded(&private_instantiate(), ARGUMENTS_STEP);
    input.bend_often(&mut private, 2);
    if let Some(value) = unpadded::<PrivateInstantiate>(&private) {
        let encoded = value.encode();
        let (head, zeros) = private.split_at(encoded.len());
        assert_eq!(head, encoded);
        assert!(zeros.iter().all(|byte| *byte == 0));
    }
    check(&bytes)
}

/// A proof of a receipt with changes, against what the cluster has agreed on: it proves that very
/// receipt, or nothing.
pub(crate) fn receipt_proof(data: &[u8]) -> bool {
    static GOOD: LazyLock<(ReceiptProof, Roots)> = LazyLock::new(proof);
    let (good, agreed) = &*GOOD;
    let mut input = Input::new(data);
    let mut bytes = good.encode();
    input.bend_often(&mut bytes, 3);
    let Ok(proof) = ReceiptProof::decode_all(&mut &bytes[..]) else {
        return false;
    };
    let block = [12, 13, u32::MAX, 11, 7, input.word()][input.below(6)];
    match proof.check(block, agreed) {
        Ok(()) => assert_eq!((&proof, block >= 12), (good, true)),
        Err(_) => assert!(proof != *good || block < 12),
    }
    true
}
