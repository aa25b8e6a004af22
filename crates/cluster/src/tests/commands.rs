//! Commands, deployments, withdrawals and queries: what they do, cost and tell.

use super::*;
use crate::limits::MAX_COMMAND_GAS;

#[test]
fn plain_and_encrypted_commands_change_the_state() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    assert!(kept.flipped(contract));
    let receipt = kept.one(plain(ALICE, contract, selector("flip"), GAS));
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    assert!(!kept.flipped(contract));
    let key = kept.cluster.contract_key(&contract).public();
    let receipt = kept.one(encrypted(key, contract, selector("flip")));
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    assert!(kept.flipped(contract));
}

#[test]
fn gas_is_paid_up_front_and_what_is_not_used_comes_back() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let (before, treasury) = (kept.free(BOB), kept.free(TREASURY));
    let receipt = kept.one(plain(BOB, contract, selector("flip"), GAS));
    assert_eq!(receipt.fee, Balance::from(receipt.gas_used));
    assert!(receipt.gas_used > 0 && receipt.gas_used < GAS);
    assert_eq!(receipt.gas_refunded, GAS - receipt.gas_used);
    assert_eq!(receipt.storage_deposit, 0);
    assert_eq!(kept.free(BOB), before - receipt.fee);
    assert_eq!(kept.free(TREASURY), treasury + receipt.fee);
    // Asking for more than there is changes nothing.
    let poor = AccountId([77; 32]);
    let receipt = kept.one(plain(poor, contract, selector("flip"), GAS));
    let unpaid = Failure::Unpaid {
        needed: GAS.into(),
        available: 0,
    };
    assert_eq!(receipt.outcome, Err(unpaid));
    assert_eq!(receipt.fee, 0);
    // More than a command can have is neither given nor asked for.
    let receipt = kept.one(plain(poor, contract, selector("flip"), u64::MAX));
    let unpaid = Failure::Unpaid {
        needed: MAX_COMMAND_GAS.into(),
        available: 0,
    };
    assert_eq!(receipt.outcome, Err(unpaid));
}

#[test]
fn a_failed_command_keeps_its_fee_and_undoes_the_rest() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let enough = kept
        .one(plain(ALICE, contract, selector("flip"), GAS))
        .gas_used;
    let state = kept.flipped(contract);
    let before = kept.free(ALICE);
    let applied = kept.apply(vec![plain(ALICE, contract, selector("flip"), enough - 1)]);
    let receipt = &applied.receipts[0];
    assert!(matches!(&receipt.outcome, Err(Failure::Failed(reason)) if reason.contains("gas")));
    assert!(receipt.fee > 0 && receipt.fee < enough.into());
    assert_eq!(kept.free(ALICE), before - receipt.fee);
    assert_eq!(kept.flipped(contract), state);
    assert!(receipt.events.is_empty());
    let told = |entry: &LogEntry| matches!(entry, LogEntry::Line { message, .. } if message.starts_with("command failed"));
    assert!(
        applied
            .logs
            .iter()
            .any(|log| log.contract == contract && told(&log.entry))
    );
}

#[test]
fn what_cannot_be_read_is_told_and_costs_nothing() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let before = (kept.free(ALICE), kept.accumulator.root());
    let somebody = Keypair::from_seed([66; 32]).public();
    let mut trailing = CommandPayload::Plain(ink(selector("flip"), GAS)).encode();
    trailing.push(0);
    let garbage = |payload| ClusterMessage::Command {
        sender: ALICE,
        contract,
        payload,
    };
    let messages = vec![
        garbage(vec![]),
        garbage(vec![0xff; 64]),
        garbage(trailing),
        encrypted(somebody, contract, selector("flip")),
    ];
    let count = messages.len();
    let receipts = kept.apply(messages).receipts;
    assert_eq!(receipts.len(), count);
    for receipt in receipts {
        assert!(
            matches!(receipt.outcome, Err(Failure::Unreadable(_))),
            "{receipt:?}"
        );
        assert_eq!(receipt.fee, 0);
    }
    assert_eq!((kept.free(ALICE), kept.accumulator.root()), before);
}

#[test]
fn what_is_not_there_or_no_code_is_refused() {
    let mut kept = Kept::created();
    let unknown = Hash::repeat_byte(42);
    let receipt = kept.one(plain(ALICE, unknown, selector("flip"), GAS));
    assert!(
        matches!(receipt.outcome, Err(Failure::Failed(_))),
        "{receipt:?}"
    );
    let receipt = kept.one(instantiate(ALICE, b"never uploaded", flipper_new(true)));
    assert!(
        matches!(receipt.outcome, Err(Failure::Failed(_))),
        "{receipt:?}"
    );
    for code in [&b"this is not Wasm"[..], b"", b"\0asm\x01\0\0\0"] {
        let receipt = kept.one(upload(ALICE, code.to_vec()));
        let Err(Failure::CodeRejected(reason)) = &receipt.outcome else {
            panic!("{receipt:?}")
        };
        assert!(!reason.contains('\n'), "{reason}");
    }
    let sidevm = ClusterMessage::Upload {
        owner: ALICE,
        kind: ResourceKind::SidevmCode,
        code: code("flipper"),
    };
    assert!(matches!(
        kept.one(sidevm).outcome,
        Err(Failure::CodeRejected(_))
    ));
}

#[test]
fn a_failed_instantiation_makes_nothing_and_is_the_first_line_of_its_log() {
    let mut kept = Kept::created();
    let code = code("flipper");
    kept.one(upload(ALICE, code.clone()));
    let applied = kept.apply(vec![instantiate(ALICE, &code, vec![1, 2, 3, 4])]);
    assert!(applied.receipts[0].outcome.is_err());
    assert!(applied.instantiated.is_empty());
    let id = ids::contract_id(&ALICE, &hash_of(&code), &kept.cluster.id(), b"salt");
    let first = applied.logs.iter().find(|log| log.contract == id).unwrap();
    let LogEntry::Line { message, .. } = &first.entry else {
        panic!("{first:?}")
    };
    assert!(message.starts_with("instantiate failed"), "{message}");
    let made = kept.one(instantiate(ALICE, &code, flipper_new(false)));
    assert!(
        made.outcome.is_ok(),
        "the same salt can be used again: {made:?}"
    );
}

#[test]
fn queries_change_nothing_and_estimate_enough() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let before = kept.state.clone();
    let flip = |estimating| Ask::Call {
        contract,
        input: selector("flip"),
        deposit: FUNDS,
        transfer: 0,
        estimating,
    };
    kept.ask(flip(false));
    let bytes = kept.ask(flip(true));
    assert_eq!(kept.state, before);
    let input = &mut &bytes[..];
    let [consumed, _, required, _] =
        [(); 4].map(|()| codec::Compact::<u64>::decode(input).unwrap().0);
    assert!(required >= consumed);
    let receipt = kept.one(plain(ALICE, contract, selector("flip"), required));
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    assert!(receipt.gas_used <= consumed);
}

#[test]
fn money_leaves_whole_or_not_at_all() {
    let mut kept = Kept::created();
    let withdraw = |amount| ClusterMessage::Withdraw {
        account: BOB,
        amount,
    };
    let applied = kept.apply(vec![withdraw(FUNDS + 1), withdraw(FUNDS), withdraw(1)]);
    let amounts: Vec<_> = applied
        .withdrawals
        .iter()
        .map(|outcome| outcome.amount)
        .collect();
    assert_eq!(amounts, [0, FUNDS, 0]);
    let numbers: Vec<_> = applied
        .withdrawals
        .iter()
        .map(|outcome| outcome.number)
        .collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(applied.receipts[1].outcome, Ok(Success::Withdrawn(FUNDS)));
    assert_eq!(applied.receipts[0].state_root, applied.state_root);
    assert_eq!(kept.free(BOB), 0);
}

#[test]
fn the_state_has_how_withdrawals_ended_until_the_chain_has_decided() {
    let mut kept = Kept::created();
    let withdraw = |amount| ClusterMessage::Withdraw {
        account: BOB,
        amount,
    };
    let undecided = |kept: &Kept| -> Vec<_> {
        let undecided = crate::undecided(&kept.state).unwrap();
        undecided
            .iter()
            .map(|one| (one.number, one.amount))
            .collect()
    };
    let before = kept.state.clone();
    let applied = kept.apply(vec![withdraw(FUNDS + 1), withdraw(5)]);
    assert_eq!(applied.withdrawals, applied.undecided);
    assert_eq!(undecided(&kept), [(3, 0), (4, 5)]);
    let applied = kept.apply(vec![
        ClusterMessage::WithdrawalDecided { number: 3 },
        withdraw(7),
    ]);
    assert_eq!(applied.withdrawals.len(), 1);
    assert_eq!(applied.undecided.len(), 2);
    assert_eq!(undecided(&kept), [(4, 5), (6, 7)]);
    let decided = [6, 4, 99].map(|number| ClusterMessage::WithdrawalDecided { number });
    let applied = kept.apply(decided.to_vec());
    assert!(applied.undecided.is_empty());
    assert_eq!(kept.free(BOB), FUNDS - 12);
    let keys = |state: &Changes| state.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&kept.state), keys(&before), "nothing is left of them");
}
