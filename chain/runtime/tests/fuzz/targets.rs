//! Extrinsics of strangers, made of bytes. The test beside this file runs the target on random bytes,
//! libFuzzer (`chain/fuzz`) on bytes that find new paths.

use crate::network::{
    AMOUNT, BYSTANDER, GENESIS, OPERATOR, block, cluster, cluster_key, contract, evidence,
    must_hold, state, worker, worker_id,
};
use crate::values::{Maker, Names};
use codec::{DecodeLimit, Encode};
use frame_support::MAX_EXTRINSIC_DEPTH;
use frame_support::storage::{TransactionOutcome, unhashed, with_transaction_unchecked};
use frame_support::traits::fungible::Inspect;
use phat_crypto::{Keypair, contexts};
use phat_fuzzing::{Input, Repeatable};
use phat_primitives::limits::MAX_REPORT_PAYLOADS;
use phat_primitives::report::Payload;
use phat_runtime::*;
use polkadot_sdk::*;
use scale_info::{MetaType, PortableRegistry, Registry, TypeDef};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::generic::{Era, Preamble};
use sp_runtime::transaction_validity::TransactionSource;
use std::cell::RefCell;

/// Who sends transactions. Sudo and the bystander do not.
const SENDERS: [Sr25519Keyring; 4] = [
    OPERATOR,
    Sr25519Keyring::Charlie,
    Sr25519Keyring::Eve,
    Sr25519Keyring::Ferdie,
];

/// The index of the first pallet of ours.
const FIRST_OF_OURS: u8 = 40;

struct Chain {
    state: TestExternalities,
    types: PortableRegistry,
    /// [`RuntimeCall`], and [`Payload`], among the types.
    call: u32,
    payload: u32,
    names: Vec<Names>,
}

thread_local! {
    static CHAIN: RefCell<Chain> = RefCell::new(Chain::begin());
}

impl Chain {
    fn begin() -> Self {
        let mut state = state();
        // Constants in some types' descriptions are read from the state.
        let (types, call, payload) = state.execute_with(|| {
            let mut types = Registry::new();
            let call = types.register_type(&MetaType::new::<RuntimeCall>()).id;
            let payload = types.register_type(&MetaType::new::<Payload>()).id;
            (types.into(), call, payload)
        });
        let accounts = SENDERS.iter().chain([&BYSTANDER]);
        let names = vec![
            ("worker", [1, 2, 3].map(|number| worker_id(number).0).into()),
            ("cluster", [2, 1, 3].map(|number| cluster(number).0).into()),
            (
                "contract",
                [&b"made"[..], b"ordered", b"never"]
                    .map(|salt| contract(salt).0)
                    .into(),
            ),
            ("dest", accounts.map(|who| who.to_raw_public()).collect()),
            (
                "",
                vec![[0; 32], GENESIS.0, presets::DEVELOPMENT_MEASUREMENT],
            ),
        ];
        Self {
            state,
            types,
            call,
            payload,
            names,
        }
    }

    fn maker(&self) -> Maker<'_> {
        Maker {
            types: &self.types,
            names: &self.names,
            amounts: &[1, PHA, AMOUNT / 10, AMOUNT, 2 * AMOUNT, 5_000_000 * PHA],
        }
    }

    /// Any call, more often one of our pallets.
    fn any_call(&self, input: &mut Input<'_>) -> Vec<u8> {
        let TypeDef::Variant(pallets) = &self.types.resolve(self.call).unwrap().type_def else {
            panic!("calls are an enum");
        };
        let mut pallets: Vec<_> = pallets.variants.iter().collect();
        if !input.one_in(5) {
            pallets.retain(|pallet| pallet.index >= FIRST_OF_OURS);
        }
        let pallet = input.choose(&pallets);
        let mut bytes = vec![pallet.index];
        for field in &pallet.fields {
            self.maker().value(input, field.ty.id, ("", 0), &mut bytes);
        }
        bytes
    }

    fn any_payloads(&self, input: &mut Input<'_>) -> Vec<Payload> {
        let most = match input.one_in(32) {
            true => MAX_REPORT_PAYLOADS as usize + 2,
            false => 3,
        };
        let count = input.below(most + 1);
        let payload = |_| {
            let mut bytes = Vec::new();
            self.maker().value(input, self.payload, ("", 0), &mut bytes);
            decode(&bytes)
        };
        (0..count).filter_map(payload).collect()
    }

    /// Makes good, most of the time, what must be signed inside a call.
    fn sign_inside(&self, input: &mut Input<'_>, sender: Sr25519Keyring, call: &mut RuntimeCall) {
        let mut random = Repeatable(0);
        if input.one_in(8) {
            return;
        }
        // Whose key it is signed with: the right one, or that of nobody here.
        let forged = input.one_in(6);
        let signer = |right: Keypair| if forged { worker(9) } else { right };
        match call {
            RuntimeCall::PhalaRegistry(pallet_phat_registry::Call::register_worker {
                evidence: shown,
                ..
            }) => **shown = evidence(1 + input.byte() % 3, sender),
            RuntimeCall::PhalaMq(pallet_phat_messages::Call::submit { signed }) => {
                let number = 1 + input.byte() % 3;
                let report = &mut signed.report;
                report.worker = worker_id(number);
                report.payloads = self.any_payloads(input);
                if !input.one_in(16) {
                    (report.genesis, report.sequence) = (GENESIS, 0);
                }
                signed.signature =
                    signer(worker(number)).sign(contexts::REPORT, &report.encode(), &mut random);
            }
            RuntimeCall::PhalaPhatContracts(pallet_phat_clusters::Call::contract_ready {
                signed,
            }) => {
                let statement = &mut signed.statement;
                statement.cluster = cluster(1 + input.below(2) as u64);
                let message = statement.encode();
                signed.signature =
                    signer(cluster_key()).sign(contexts::CONTRACT_READY, &message, &mut random);
            }
            RuntimeCall::PhalaPhatContracts(
                pallet_phat_clusters::Call::private_contract_ready { signed },
            ) => {
                signed.statement.ready.cluster = cluster(1 + input.below(2) as u64);
                let message = signed.statement.encode();
                let context = contexts::PRIVATE_CONTRACT_READY;
                signed.signature = signer(cluster_key()).sign(context, &message, &mut random);
            }
            _ => {}
        }
    }

    /// A transaction: signed by somebody, authorised by what is in it, or bare; perhaps with other bytes
    /// in some places.
    fn any_extrinsic(&self, input: &mut Input<'_>) -> Option<Vec<u8>> {
        // First what decides most: later there may be no bytes left.
        let sender = *input.choose(&SENDERS);
        let shape = input.byte() % 16;
        let mut bytes = self.any_call(input);
        if input.one_in(8) {
            input.bend_often(&mut bytes, 2);
        }
        let mut call: RuntimeCall = decode(&bytes)?;
        self.sign_inside(input, sender, &mut call);
        let authorised = matches!(
            call,
            RuntimeCall::PhalaMq(_)
                | RuntimeCall::PhalaPhatContracts(
                    pallet_phat_clusters::Call::contract_ready { .. }
                        | pallet_phat_clusters::Call::private_contract_ready { .. }
                )
        );
        let mut bytes = match (authorised, shape) {
            (_, 14) => UncheckedExtrinsic::new_bare(call).encode(),
            (_, 15) => UncheckedExtrinsic::new_bare_legacy(call).encode(),
            (true, 0..12) | (false, 13) => {
                UncheckedExtrinsic::new_transaction(call, extension()).encode()
            }
            _ => {
                let nonce = input.one_in(16).into();
                signed_extrinsic(&sender.pair(), call, nonce, GENESIS)
            }
        };
        if input.one_in(8) {
            input.bend_often(&mut bytes, 2);
        }
        Some(bytes)
    }
}

fn decode<T: DecodeLimit>(bytes: &[u8]) -> Option<T> {
    T::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &bytes[..]).ok()
}

fn extension() -> TxExtension {
    (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(Era::Immortal),
        frame_system::CheckNonce::from(0),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(0),
        frame_system::WeightReclaim::new(),
    )
}

/// What governance, and nobody else, has set.
fn governed() -> Vec<Option<Vec<u8>>> {
    let keys = [
        pallet_sudo::Key::<Runtime>::hashed_key(),
        pallet_aura::Authorities::<Runtime>::hashed_key(),
        pallet_grandpa::CurrentSetId::<Runtime>::hashed_key(),
        pallet_phat_registry::Gatekeepers::<Runtime>::hashed_key(),
        pallet_phat_registry::DevelopmentRoot::<Runtime>::hashed_key(),
        pallet_phat_clusters::PinkSystemCode::<Runtime>::hashed_key(),
        pallet_phat_tokenomic::MinStake::<Runtime>::hashed_key(),
        pallet_phat_economy::Setting::<Runtime>::hashed_key(),
        pallet_phat_economy::ErasRun::<Runtime>::hashed_key(),
        pallet_phat_economy::GeneralCluster::<Runtime>::hashed_key(),
        pallet_phat_economy::Treasury::<Runtime>::hashed_key(),
    ];
    let allowed = pallet_phat_registry::Measurements::<Runtime>::iter_keys();
    let refused = pallet_phat_registry::RefusedAdvisories::<Runtime>::iter_keys();
    let lists = [
        allowed.collect::<Vec<_>>().encode(),
        refused.collect::<Vec<_>>().encode(),
    ];
    let values = keys.iter().map(|key| unhashed::get_raw(key));
    values.chain(lists.map(Some)).collect()
}

/// Whether what is in a call says that it may be in a block although nobody pays for it.
fn is_authorised(call: &RuntimeCall) -> bool {
    match call {
        RuntimeCall::PhalaMq(pallet_phat_messages::Call::submit { signed }) => {
            let report = &signed.report;
            let message = report.encode();
            let registered = [1, 2].map(worker_id).contains(&report.worker);
            (report.genesis, report.sequence, registered) == (GENESIS, 0, true)
                && phat_crypto::verify(
                    &report.worker.0,
                    contexts::REPORT,
                    &message,
                    &signed.signature,
                )
        }
        RuntimeCall::PhalaPhatContracts(pallet_phat_clusters::Call::contract_ready { signed }) => {
            phat_crypto::verify(
                &cluster_key().public(),
                contexts::CONTRACT_READY,
                &signed.statement.encode(),
                &signed.signature,
            )
        }
        RuntimeCall::PhalaPhatContracts(pallet_phat_clusters::Call::private_contract_ready {
            signed,
        }) => phat_crypto::verify(
            &cluster_key().public(),
            contexts::PRIVATE_CONTRACT_READY,
            &signed.statement.encode(),
            &signed.signature,
        ),
        _ => false,
    }
}

/// Submits a transaction of a stranger, and lets a block, and one after it, be made with it. What the
/// pool takes, the block takes, and it was signed by who it speaks for; what governance has set stays,
/// no money is made, who has sent nothing loses nothing, and the pallets' invariants hold. Answers
/// whether the transaction did what it was to do.
pub(crate) fn extrinsic(data: &[u8]) -> bool {
    CHAIN.with_borrow_mut(|chain| {
        let mut input = Input::new(data);
        let Some(extrinsic) = chain.any_extrinsic(&mut input) else {
            return false;
        };
        let Some(extrinsic) = decode::<UncheckedExtrinsic>(&extrinsic) else {
            return false;
        };
        let rolled_back =
            || with_transaction_unchecked(|| TransactionOutcome::Rollback(try_out(extrinsic)));
        chain.state.execute_with(rolled_back)
    })
}

fn try_out(extrinsic: UncheckedExtrinsic) -> bool {
    let bystander = BYSTANDER.to_account_id();
    let before = (governed(), Balances::total_issuance());
    let owned = Balances::total_balance(&bystander);
    let taken = with_transaction_unchecked(|| {
        let best = Hash::from_low_u64_be(99);
        let source = TransactionSource::External;
        let validity = Executive::validate_transaction(source, extrinsic.clone(), best);
        TransactionOutcome::Rollback(validity)
    });
    match &extrinsic.preamble {
        Preamble::Bare(_) => assert!(taken.is_err(), "only the block's author sends inherents"),
        Preamble::General(_) => assert!(taken.is_err() || is_authorised(&extrinsic.function)),
        Preamble::Signed(sender, ..) => {
            let silent = [BYSTANDER, Sr25519Keyring::Alice].map(|who| who.to_account_id().into());
            assert!(taken.is_err() || !silent.contains(sender));
        }
    }
    let mut done = false;
    // Nobody puts into a block what no pool has taken.
    if let Ok(validity) = taken {
        block(|| {
            let applied = Executive::apply_extrinsic(extrinsic.clone());
            assert!(
                applied.is_ok() || !validity.requires.is_empty(),
                "{applied:?}"
            );
            done = applied == Ok(Ok(()));
        });
        block(|| {});
        assert_eq!(governed(), before.0, "{extrinsic:?}");
        assert!(Balances::total_issuance() <= before.1, "{extrinsic:?}");
        assert!(
            Balances::total_balance(&bystander) >= owned,
            "{extrinsic:?}"
        );
        must_hold();
    }
    done
}
