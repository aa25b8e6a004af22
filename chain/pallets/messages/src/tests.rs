//! How messages are ordered and numbered, and which reports are accepted.

use crate::{
    Error, Event, LastReport, MAX_MESSAGES_LEN, NextMessage, NextReport, Pending, mock::*, refusal,
};
use codec::Encode;
use phat_primitives::{
    Hash,
    credit::{CreditReport, SliceUse},
    limits::{
        MAX_CLUSTER_WORKERS, MAX_CODE_LEN, MAX_CREDIT_LINES, MAX_EVIDENCE_LEN,
        MAX_MESSAGES_PER_BLOCK, MAX_OUTBOUND_LEN, MAX_PENDING_WITHDRAWALS, MAX_REPORT_HEARTBEATS,
        MAX_REPORT_PAYLOADS,
    },
    message::{ClusterGenesis, ClusterMessage, Message, Prices},
    report::{Heartbeat, Payload, Report, SignedReport, WithdrawalOutcome},
};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        dispatch::{DispatchResult, GetDispatchInfo},
        pallet_prelude::{InvalidTransaction, TransactionSource, TransactionValidityError},
        traits::Authorize,
    },
    frame_system::RawOrigin,
    sp_runtime::{DispatchError, traits::Dispatchable, transaction_validity::ValidTransaction},
};

fn message(byte: u8) -> Message {
    Message::GatekeeperAdded(id(byte))
}

/// A message whose encoding has this many bytes.
fn message_of_len(len: usize) -> Message {
    let make = |data: usize| {
        let command = ClusterMessage::Command {
            sender: Default::default(),
            contract: Hash::zero(),
            payload: vec![0; data],
        };
        Message::Cluster(Hash::zero(), command)
    };
    let message = make(len - (make(1 << 20).encoded_size() - (1 << 20)));
    assert_eq!(message.encoded_size(), len);
    message
}

fn push(message: Message) -> u64 {
    Messages::push(message).unwrap()
}

fn heartbeat(withdrawals: u32) -> Payload {
    Payload::Heartbeat(Heartbeat {
        cluster: Hash::zero(),
        block: 1,
        state_root: Hash::zero(),
        receipts: Hash::zero(),
        withdrawals: (0..withdrawals)
            .map(|number| WithdrawalOutcome {
                number: number.into(),
                amount: 1,
            })
            .collect(),
    })
}

fn evidence(length: u32) -> Payload {
    Payload::Evidence(vec![0; length as usize])
}

fn credit(slices: u32, wanted: u32) -> Payload {
    let used = |number| SliceUse {
        account: Default::default(),
        number,
        spent: 1,
        done: false,
    };
    Payload::Credit(CreditReport {
        cluster: Hash::zero(),
        session: Hash::zero(),
        slices: (0..slices.into()).map(used).collect(),
        wanted: vec![Default::default(); wanted as usize],
    })
}

fn master_key() -> Payload {
    Payload::MasterKey {
        generation: 0,
        public: [1; 32],
    }
}

fn call(signed: SignedReport) -> RuntimeCall {
    RuntimeCall::Messages(crate::Call::submit { signed })
}

fn authorize(signed: &SignedReport) -> Result<ValidTransaction, TransactionValidityError> {
    call(signed.clone())
        .authorize(TransactionSource::External)
        .expect("a report authorises itself")
        .map(|(validity, _)| validity)
}

/// What a block does with a report: checks that it is authorised, and applies it.
fn submit(signed: SignedReport) -> Result<DispatchResult, TransactionValidityError> {
    authorize(&signed)?;
    let outcome = call(signed).dispatch(RawOrigin::Authorized.into());
    Ok(outcome.map(drop).map_err(|error| error.error))
}

/// Runs the body inside the first block.
fn in_block(body: impl FnOnce()) {
    chain().execute_with(|| {
        block(body);
    });
}

#[test]
fn messages_keep_their_order_and_are_numbered_without_a_gap_over_blocks() {
    chain().execute_with(|| {
        let (first, _) = block(|| {
            assert_eq!(push(message(1)), 0);
            assert_eq!(push(message(2)), 1);
        });
        assert_eq!(
            (first.first, first.messages),
            (0, vec![message(1), message(2)])
        );
        let (empty, _) = block(|| ());
        assert_eq!((empty.first, empty.messages), (2, vec![]));
        let (third, _) = block(|| assert_eq!(push(message(3)), 2));
        assert_eq!((third.first, third.messages), (2, vec![message(3)]));
        let (last, _) = block(|| ());
        assert_eq!(last.first, 3);
    });
}

#[test]
fn every_block_tells_its_time_and_has_the_hash_of_its_messages_in_its_digest_once() {
    chain().execute_with(|| {
        for number in 1..=4u8 {
            let (outbound, items) = block(|| {
                // Blocks 2 and 4 are empty.
                if number % 2 == 1 {
                    push(message(number));
                }
            });
            assert_eq!(outbound.now_ms, u64::from(number) * 1_000);
            assert_eq!(outbound.messages.is_empty(), number % 2 == 0);
            assert_eq!(items, vec![outbound.hash().0.to_vec()]);
        }
    });
}

#[test]
fn a_queued_message_shows_its_number() {
    in_block(|| {
        push(message(1));
        push(message(2));
        System::assert_has_event(Event::MessageQueued { number: 0 }.into());
        System::assert_last_event(Event::MessageQueued { number: 1 }.into());
    });
}

#[test]
fn a_block_takes_only_so_many_messages_and_the_next_one_takes_more() {
    chain().execute_with(|| {
        let (outbound, _) = block(|| {
            for _ in 0..MAX_MESSAGES_PER_BLOCK {
                push(message(1));
            }
            assert_noop!(Messages::push(message(1)), Error::<Test>::BlockFull);
        });
        assert_eq!(outbound.messages.len(), MAX_MESSAGES_PER_BLOCK as usize);
        let number = u64::from(MAX_MESSAGES_PER_BLOCK);
        block(|| assert_eq!(push(message(1)), number));
    });
}

#[test]
fn a_block_that_is_filled_to_the_last_byte_is_not_too_long_for_the_workers() {
    chain().execute_with(|| {
        let (outbound, _) = block(|| {
            let small = message(1).encoded_size();
            for _ in 1..MAX_MESSAGES_PER_BLOCK {
                push(message(1));
            }
            let rest = MAX_MESSAGES_LEN as usize - (MAX_MESSAGES_PER_BLOCK as usize - 1) * small;
            assert_noop!(
                Messages::push(message_of_len(rest + 1)),
                Error::<Test>::BlockFull
            );
            push(message_of_len(rest));
        });
        let len = outbound.encoded_size();
        assert!(
            len <= MAX_OUTBOUND_LEN as usize,
            "workers refuse {len} bytes"
        );
        assert!(
            len + 4 >= MAX_OUTBOUND_LEN as usize,
            "{len} bytes do not fill it"
        );
    });
}

#[test]
fn a_message_that_no_block_could_hold_is_told_from_one_that_may_come_later() {
    in_block(|| {
        let most = MAX_MESSAGES_LEN as usize;
        assert_noop!(
            Messages::push(message_of_len(most + 1)),
            Error::<Test>::MessageTooLarge
        );
        push(message_of_len(most));
        assert_noop!(Messages::push(message(1)), Error::<Test>::BlockFull);
    });
}

#[test]
fn the_largest_cluster_can_be_created() {
    in_block(|| {
        let genesis = ClusterGenesis {
            owner: Default::default(),
            prices: Prices {
                gas_price: u128::MAX,
                deposit_per_item: 0,
                deposit_per_byte: 0,
                treasury: Default::default(),
            },
            system_code: vec![0; MAX_CODE_LEN as usize],
            system_contract: Hash::zero(),
            workers: vec![id(1); MAX_CLUSTER_WORKERS as usize],
            generation: 0,
        };
        push(Message::Cluster(
            Hash::zero(),
            ClusterMessage::Created(Box::new(genesis)),
        ));
    });
}

#[test]
fn nothing_is_left_in_the_state_that_grows_with_the_messages() {
    chain().execute_with(|| {
        block(|| {
            push(message(1));
        });
        assert!(Pending::<Test>::get().is_empty());
        assert_eq!(crate::PendingSize::<Test>::get(), (0, 0));
        assert_eq!(NextMessage::<Test>::get(), 1);
    });
}

#[test]
fn reports_are_accepted_once_each_and_in_turn() {
    in_block(|| {
        let first = report(1, 0, vec![heartbeat(0)]);
        let second = report(1, 1, vec![heartbeat(1), heartbeat(2)]);
        assert_eq!(
            submit(second.clone()),
            Err(InvalidTransaction::Future.into())
        );
        assert_eq!(submit(first.clone()), Ok(Ok(())));
        assert_eq!(submit(first), Err(InvalidTransaction::Stale.into()));
        assert_eq!(submit(second.clone()), Ok(Ok(())));
        assert_eq!(submit(second), Err(InvalidTransaction::Stale.into()));
        assert_eq!(handled(), 3);
        assert_eq!(NextReport::<Test>::get(id(1)), 2);
        assert_eq!(
            NextReport::<Test>::get(id(2)),
            0,
            "each worker counts for itself"
        );
    });
}

#[test]
fn the_chain_tells_which_report_of_a_number_it_has_taken() {
    in_block(|| {
        assert_eq!(LastReport::<Test>::get(id(1)), None);
        let one = report(1, 0, vec![heartbeat(0)]);
        let another = report(1, 0, vec![heartbeat(0), heartbeat(1)]);
        assert_eq!(submit(another.clone()), Ok(Ok(())));
        assert_eq!(submit(one.clone()), Err(InvalidTransaction::Stale.into()));
        let taken = LastReport::<Test>::get(id(1));
        assert_eq!(taken, Some(another.report.hash()));
        assert_ne!(taken, Some(one.report.hash()));
    });
}

#[test]
fn a_report_that_is_not_the_workers_own_is_refused() {
    in_block(|| {
        let good = report(1, 0, vec![heartbeat(0)]);
        let mut changed = good.clone();
        changed.report.payloads = vec![heartbeat(1)];
        let mut foreign = good.clone();
        foreign.signature = sign(2, good.report.clone()).signature;
        let mut bent = good.clone();
        bent.signature[3] ^= 1;
        for bad in [changed, foreign, bent] {
            assert_eq!(submit(bad), Err(InvalidTransaction::BadProof.into()));
        }
        assert_eq!(handled(), 0);
        assert_eq!(submit(good), Ok(Ok(())));
    });
}

#[test]
fn strangers_and_other_chains_are_told_apart() {
    in_block(|| {
        assert_eq!(
            submit(report(3, 0, vec![heartbeat(0)])),
            Err(InvalidTransaction::Custom(refusal::NOT_REGISTERED).into())
        );
        let elsewhere = Report {
            genesis: Hash::repeat_byte(8),
            ..report(1, 0, vec![]).report
        };
        assert_eq!(
            submit(sign(1, elsewhere)),
            Err(InvalidTransaction::Custom(refusal::OTHER_CHAIN).into())
        );
    });
}

#[test]
fn a_report_beyond_the_limits_is_refused_before_its_signature_is_looked_at() {
    in_block(|| {
        let too_large = Err(InvalidTransaction::Custom(refusal::TOO_LARGE).into());
        let limits = [
            vec![master_key(); MAX_REPORT_PAYLOADS as usize + 1],
            vec![heartbeat(0); MAX_REPORT_HEARTBEATS as usize + 1],
            vec![heartbeat(0), heartbeat(MAX_PENDING_WITHDRAWALS + 1)],
            vec![heartbeat(1), heartbeat(MAX_PENDING_WITHDRAWALS)],
            vec![evidence(1), evidence(1)],
            vec![evidence(1), heartbeat(0)],
            vec![evidence(MAX_EVIDENCE_LEN + 1)],
            vec![credit(0, 0), credit(0, 0)],
            vec![credit(MAX_CREDIT_LINES + 1, 0)],
            vec![credit(0, MAX_CREDIT_LINES + 1)],
        ];
        for payloads in limits {
            let mut signed = report(1, 0, payloads);
            assert_eq!(submit(signed.clone()), too_large);
            signed.signature = [0; 64];
            assert_eq!(submit(signed), too_large);
        }
        let mut most = vec![master_key(); MAX_REPORT_PAYLOADS as usize];
        most[..MAX_REPORT_HEARTBEATS as usize].fill(heartbeat(0));
        most[1] = heartbeat(MAX_PENDING_WITHDRAWALS);
        most[2] = credit(MAX_CREDIT_LINES, MAX_CREDIT_LINES);
        assert_eq!(submit(report(1, 0, most)), Ok(Ok(())));
        let alone = vec![evidence(MAX_EVIDENCE_LEN)];
        assert_eq!(submit(report(1, 1, alone)), Ok(Ok(())));
    });
}

#[test]
fn a_report_about_credits_is_worth_a_block_if_somebody_waits_for_it() {
    in_block(|| {
        let priority = |payloads| {
            let signed = report(2, 0, payloads);
            authorize(&signed).map(|valid| valid.priority)
        };
        assert_eq!(priority(vec![heartbeat(0), credit(1, 0)]), Ok(0));
        assert_eq!(priority(vec![heartbeat(0), credit(0, 1)]), Ok(1));
    });
}

#[test]
fn a_refused_payload_is_shown_and_undoes_neither_the_others_nor_the_number() {
    in_block(|| {
        let payloads = vec![heartbeat(0), BAD, heartbeat(1)];
        assert_eq!(submit(report(1, 0, payloads)), Ok(Ok(())));
        assert_eq!(
            handled(),
            2,
            "what the refused one did is undone, and only that"
        );
        assert_eq!(NextReport::<Test>::get(id(1)), 1);
        System::assert_last_event(
            Event::PayloadRefused {
                worker: id(1),
                index: 1,
                error: DispatchError::CannotLookup,
            }
            .into(),
        );
    });
}

#[test]
fn nobody_submits_a_report_that_was_not_authorised() {
    in_block(|| {
        let signed = report(1, 0, vec![heartbeat(0)]);
        for origin in [RawOrigin::Signed(1), RawOrigin::Root, RawOrigin::None] {
            let outcome = call(signed.clone()).dispatch(origin.into());
            assert!(outcome.is_err());
        }
        assert_eq!(NextReport::<Test>::get(id(1)), 0);
        assert_ok!(call(signed).dispatch(RawOrigin::Authorized.into()));
    });
}

#[test]
fn only_keys_from_a_gatekeeper_are_urgent() {
    in_block(|| {
        let priority = |worker, payloads| {
            authorize(&report(worker, 0, payloads))
                .map(|validity| validity.priority)
                .unwrap()
        };
        assert_eq!(priority(1, vec![heartbeat(0)]), 0);
        assert_eq!(priority(1, vec![]), 0);
        assert_eq!(priority(1, vec![evidence(9)]), 0);
        assert_eq!(priority(1, vec![heartbeat(0), master_key()]), 1);
        assert_eq!(priority(2, vec![heartbeat(0), master_key()]), 0);
    });
}

#[test]
fn two_reports_for_one_place_exclude_each_other_in_a_pool() {
    in_block(|| {
        let tags = |worker, payloads| authorize(&report(worker, 0, payloads)).unwrap().provides;
        assert_eq!(tags(1, vec![heartbeat(0)]), tags(1, vec![heartbeat(1)]));
        assert_ne!(tags(1, vec![heartbeat(0)]), tags(2, vec![heartbeat(0)]));
    });
}

#[test]
fn the_weight_of_a_report_grows_with_its_payloads_and_that_of_its_check_with_its_bytes() {
    let info = |payloads| call(report(1, 0, payloads)).get_dispatch_info().call_weight;
    let one = info(vec![heartbeat(0)]).ref_time();
    let three = info(vec![heartbeat(0); 3]).ref_time();
    assert_eq!(three - one, 2_000, "twice what the handler asks for");
    let check =
        |withdrawals| call(report(1, 0, vec![heartbeat(withdrawals)])).weight_of_authorize();
    assert!(check(100).ref_time() > check(0).ref_time());
}
