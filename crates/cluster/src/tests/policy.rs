//! What the policy of a cluster refuses and what it makes free, and what contracts weigh.

use super::{
    hooks::administered,
    private::{private_instantiate, private_upload},
    *,
};
use codec::Compact;
use phat_engine::DispatchError;
use phat_primitives::policy::{Control, FreeCallers, Policy, REFUSED_MODULE, Refusal, Refused};

/// Gas for an answer of a control contract.
const ASKING: u64 = 5_000_000_000;

fn set(policy: Policy) -> ClusterMessage {
    ClusterMessage::PolicySet(Box::new(policy))
}

fn controlled_by(contract: ContractId) -> ClusterMessage {
    set(Policy {
        control: Some(Control {
            contract,
            gas_limit: ASKING,
        }),
        ..Policy::default()
    })
}

fn free_for(free: FreeCallers) -> ClusterMessage {
    set(Policy {
        free,
        ..Policy::default()
    })
}

fn deposit(account: AccountId) -> ClusterMessage {
    ClusterMessage::Deposit {
        account,
        amount: FUNDS,
    }
}

impl Kept {
    /// Makes a contract of Alice's from this code.
    fn made(&mut self, code: Vec<u8>, data: Vec<u8>) -> ContractId {
        let uploaded = self.one(upload(ALICE, code.clone()));
        assert!(uploaded.outcome.is_ok(), "{uploaded:?}");
        let made = self.one(instantiate(ALICE, &code, data));
        let Ok(Success::Instantiated(contract, _)) = made.outcome else {
            panic!("{made:?}")
        };
        contract
    }

    /// Asks as somebody, and returns why the policy refused it: the code, and the sentence.
    fn refused_query(&self, caller: AccountId, ask: Ask) -> Option<([u8; 4], String)> {
        let at = (self.number, 0);
        let answer = self
            .cluster
            .query(self.shared(), at, &caller, ask, Arc::new(Nowhere));
        let bytes = block_on(answer).unwrap();
        type Head = [(Compact<u64>, Compact<u64>); 2];
        let mut rest = &bytes[..];
        Head::decode(&mut rest).unwrap();
        let (_, message) = <((u8, Balance), Vec<u8>)>::decode(&mut rest).unwrap();
        // Whatever was returned does not matter here.
        match <Result<(), DispatchError>>::decode(&mut rest).unwrap() {
            Err(DispatchError::Module {
                index: REFUSED_MODULE,
                error,
            }) => {
                assert!(rest.is_empty());
                Some((error, String::from_utf8(message).unwrap()))
            }
            _ => None,
        }
    }

    fn system(&self) -> ContractId {
        settings(&self.state).unwrap().unwrap().system_contract
    }
}

fn asked(contract: ContractId, message: &str, estimating: bool) -> Ask {
    Ask::Call {
        contract,
        input: selector(message),
        deposit: 0,
        transfer: 0,
        estimating,
    }
}

/// The code by which a control contract has refused a command.
fn code_of(receipt: &Receipt) -> Option<u16> {
    match &receipt.outcome {
        Err(Failure::Refused(Refused::ByControl(Refusal { code, .. }))) => Some(*code),
        _ => None,
    }
}

/// A cluster with a flipper, in which only Alice is a member.
fn with_members() -> (Kept, ContractId, ContractId) {
    let mut kept = Kept::created();
    let flipper = kept.flipper();
    let members = kept.made(code("members"), selector("new"));
    kept.apply(vec![deposit(OWNER), controlled_by(members)]);
    (kept, flipper, members)
}

#[test]
fn a_control_contract_refuses_every_way_to_deploy_and_to_execute() {
    let (mut kept, flipper, _) = with_members();
    let other = code("caller");
    let before = kept.free(BOB);
    let public = [
        (upload(BOB, other.clone()), 1),
        (instantiate(BOB, &code("flipper"), flipper_new(true)), 1),
        (plain(BOB, flipper, selector("flip"), GAS), 2),
    ];
    let private = [
        (private_upload(&kept, BOB, other), 1),
        (private_instantiate(&kept, BOB, flipper_new(true)), 1),
    ];
    let value = kept.flipped(flipper);
    for (message, code) in public.into_iter().chain(private) {
        let receipt = kept.one(message);
        assert_eq!(code_of(&receipt), Some(code), "{receipt:?}");
        let charged = (receipt.gas_used, receipt.fee, receipt.storage_deposit);
        assert_eq!(charged, (0, 0, 0));
        let reason = receipt.outcome.unwrap_err().to_string();
        assert!(reason.contains("only members"), "{reason}");
    }
    assert_eq!(kept.free(BOB), before, "nothing was charged");
    assert_eq!(kept.flipped(flipper), value);

    // Estimates are asked for as what they estimate; queries are free for all in this cluster.
    let would = kept.refused_query(BOB, asked(flipper, "flip", true));
    let (code, reason) = would.unwrap();
    assert_eq!(code, [0, 2, 0, 0]);
    assert!(reason.contains("only members send commands"), "{reason}");
    let deploy = Ask::Instantiate {
        code_hash: hash_of(&super::code("flipper")),
        input: flipper_new(true),
        salt: b"other".to_vec(),
        deposit: 0,
        transfer: 0,
    };
    let (code, _) = kept.refused_query(BOB, deploy.clone()).unwrap();
    assert_eq!(code, [0, 1, 0, 0]);
    assert_eq!(kept.refused_query(BOB, asked(flipper, "get", false)), None);
    assert_eq!(kept.refused_query(ALICE, deploy), None);
}

#[test]
fn who_is_allowed_does_what_was_refused_before() {
    let (mut kept, flipper, members) = with_members();
    let flip = |sender| plain(sender, flipper, selector("flip"), GAS);
    assert_eq!(code_of(&kept.one(flip(BOB))), Some(2));
    let admit = [selector("admit"), BOB.encode()].concat();
    let admitted = kept.one(plain(ALICE, members, admit, GAS));
    assert!(admitted.outcome.is_ok(), "{admitted:?}");
    let flipped = kept.one(flip(BOB));
    assert!(flipped.outcome.is_ok(), "{flipped:?}");
    assert!(kept.one(flip(ALICE)).outcome.is_ok());
}

#[test]
fn a_command_costs_the_same_whether_a_control_contract_is_asked_or_not() {
    let (mut kept, flipper, _) = with_members();
    let flip = plain(ALICE, flipper, selector("flip"), GAS);
    let asked = kept.one(flip.clone());
    kept.apply(vec![set(Policy::default())]);
    let not_asked = kept.one(flip);
    assert!(asked.outcome.is_ok() && not_asked.outcome.is_ok());
    assert_eq!(
        (asked.gas_used, asked.fee),
        (not_asked.gas_used, not_asked.fee)
    );
}

#[test]
fn the_owner_of_the_cluster_is_never_kept_from_the_control_contract() {
    let (mut kept, flipper, members) = with_members();
    let nobody_refused = kept.one(plain(OWNER, members, selector("get"), GAS));
    assert!(!matches!(nobody_refused.outcome, Err(Failure::Refused(_))));
    assert_eq!(
        code_of(&kept.one(plain(OWNER, flipper, selector("flip"), GAS))),
        Some(2),
        "elsewhere the owner is asked for as others are"
    );
    assert_eq!(
        code_of(&kept.one(plain(BOB, members, selector("get"), GAS))),
        Some(2),
        "and others are asked for there"
    );
}

/// A contract that does this whatever it is asked.
fn does(what: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "env" "memory" (memory 1 1))
            (import "seal0" "seal_return" (func $return (param i32 i32 i32)))
            (import "seal2" "set_storage"
                (func $set (param i32 i32 i32 i32) (result i32)))
            (import "seal1" "terminate" (func $terminate (param i32)))
            (data (i32.const 0) "\00\00\00")
            (func (export "deploy"))
            (func (export "call") {what}))"#
    ))
    .unwrap()
}

const ALLOW: &str = "(call $return (i32.const 0) (i32.const 0) (i32.const 2))";

#[test]
fn a_control_contract_that_fails_refuses_and_says_how() {
    let silent = "(call $return (i32.const 0) (i32.const 0) (i32.const 0))";
    let too_much = "(call $return (i32.const 0) (i32.const 0) (i32.const 3))";
    let undone = "(call $return (i32.const 1) (i32.const 0) (i32.const 2))";
    for (what, name) in [
        ("(unreachable)", "control-failed"),
        ("(loop $l (br $l))", "control-out-of-gas"),
        ("", "control-unclear"),
        (silent, "control-unclear"),
        (too_much, "control-unclear"),
        (undone, "control-unclear"),
        (ALLOW, "allowed"),
    ] {
        let mut kept = Kept::created();
        let flipper = kept.flipper();
        let control = kept.made(does(what), Vec::new());
        kept.apply(vec![controlled_by(control)]);
        let receipt = kept.one(plain(BOB, flipper, selector("flip"), GAS));
        let query = kept.refused_query(BOB, asked(flipper, "get", false));
        match receipt.outcome {
            Ok(_) => assert_eq!(("allowed", &query), (name, &None), "{what}"),
            Err(Failure::Refused(refused)) => {
                assert_eq!(Refused::named(refused.code()).unwrap().0, name, "{what}");
                let (code, reason) = query.unwrap();
                assert_eq!(code, refused.code(), "{what}");
                assert!(reason.ends_with(&refused.to_string()), "{reason}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_control_contract_that_is_not_there_refuses() {
    let mut kept = Kept::created();
    let flipper = kept.flipper();
    kept.apply(vec![controlled_by(Hash::repeat_byte(9))]);
    let receipt = kept.one(plain(BOB, flipper, selector("flip"), GAS));
    assert_eq!(receipt.outcome, Err(Failure::Refused(Refused::ControlGone)));
    let (code, _) = kept
        .refused_query(BOB, asked(flipper, "get", false))
        .unwrap();
    assert_eq!(code, Refused::ControlGone.code());
    // The owner goes on without it.
    kept.apply(vec![set(Policy::default())]);
    let flip = kept.one(plain(BOB, flipper, selector("flip"), GAS));
    assert!(flip.outcome.is_ok(), "{flip:?}");
}

#[test]
fn asking_changes_nothing() {
    let mut kept = Kept::created();
    let flipper = kept.flipper();
    // It keeps a value, and would allow nothing when it finds one. Then it removes itself.
    let what = format!(
        "(if (i32.ne (i32.const -1)
                (call $set (i32.const 64) (i32.const 32) (i32.const 0) (i32.const 1)))
            (then (unreachable)))
        {ALLOW}"
    );
    let control = kept.made(does(&what), Vec::new());
    kept.apply(vec![controlled_by(control)]);
    let before = kept.accumulator.root();
    // Of a command that fails before it is run nothing stays but its receipt.
    let nowhere = plain(BOB, Hash::repeat_byte(8), selector("flip"), 0);
    for _ in 0..3 {
        let receipt = kept.one(nowhere.clone());
        assert!(
            matches!(receipt.outcome, Err(Failure::Failed(_))),
            "{receipt:?}"
        );
        assert_eq!(kept.accumulator.root(), before);
    }
    let flip = kept.one(plain(BOB, flipper, selector("flip"), GAS));
    assert!(flip.outcome.is_ok(), "{flip:?}");
}

#[test]
fn a_control_contract_that_removes_itself_when_asked_is_still_there() {
    let mut kept = Kept::created();
    let flipper = kept.flipper();
    let control = kept.made(does("(call $terminate (i32.const 128))"), Vec::new());
    kept.apply(vec![controlled_by(control)]);
    for _ in 0..2 {
        let receipt = kept.one(plain(BOB, flipper, selector("flip"), GAS));
        let Err(Failure::Refused(refused)) = receipt.outcome else {
            panic!("{receipt:?}")
        };
        assert_ne!(refused, Refused::ControlGone);
    }
}

#[test]
fn who_cannot_pay_is_told_so_and_nobody_is_asked() {
    let (mut kept, flipper, _) = with_members();
    let poor = AccountId([44; 32]);
    let receipt = kept.one(plain(poor, flipper, selector("flip"), GAS));
    assert!(
        matches!(receipt.outcome, Err(Failure::Unpaid { .. })),
        "{receipt:?}"
    );
}

#[test]
fn balances_can_be_read_and_money_leaves_whatever_the_policy_says() {
    let mut kept = Kept::created();
    let flipper = kept.flipper();
    let control = kept.made(does("(unreachable)"), Vec::new());
    kept.apply(vec![controlled_by(control)]);
    let system = kept.system();
    assert_eq!(kept.refused_query(BOB, asked(system, "x", false)), None);
    assert!(
        kept.refused_query(BOB, asked(flipper, "get", false))
            .is_some()
    );
    assert!(kept.refused_query(BOB, asked(system, "x", true)).is_some());
    let amount = kept.free(BOB);
    let withdrawn = kept.one(ClusterMessage::Withdraw {
        account: BOB,
        amount,
    });
    assert_eq!(withdrawn.outcome, Ok(Success::Withdrawn(amount)));
}

#[test]
fn the_policy_is_covered_by_the_root_and_leaves_no_trace_when_it_is_gone() {
    let mut kept = Kept::created();
    let before = kept.accumulator.root();
    kept.apply(vec![free_for(FreeCallers::Everybody)]);
    let policy = crate::policy(&kept.state).unwrap();
    assert_eq!(policy.free, FreeCallers::Everybody);
    assert_ne!(kept.accumulator.root(), before);
    kept.apply(vec![set(Policy::default())]);
    assert_eq!(kept.accumulator.root(), before);
    assert_eq!(crate::policy(&kept.state).unwrap(), Policy::default());
}

#[test]
fn who_calls_free_pays_deposits_and_no_gas() {
    let mut kept = Kept::created();
    let flipper = kept.flipper();
    let bob = FreeCallers::Listed(vec![BOB].try_into().unwrap());
    let treasury = kept.free(TREASURY);
    let flip = |sender| plain(sender, flipper, selector("flip"), GAS);
    for (free, bob_pays, alice_pays) in [
        (FreeCallers::Nobody, true, true),
        (bob, false, true),
        (FreeCallers::Everybody, false, false),
    ] {
        kept.apply(vec![free_for(free)]);
        for (sender, pays) in [(BOB, bob_pays), (ALICE, alice_pays)] {
            let before = kept.free(sender);
            let receipt = kept.one(flip(sender));
            assert!(receipt.outcome.is_ok() && receipt.gas_used > 0);
            assert_eq!(receipt.fee > 0, pays, "{receipt:?}");
            assert_eq!(before - kept.free(sender), receipt.fee);
        }
    }
    let taken = kept.free(TREASURY) - treasury;
    assert!(taken > 0);
    // Without any money there is no gas to pay, but there are deposits.
    let stranger = AccountId([44; 32]);
    assert!(kept.one(flip(stranger)).outcome.is_ok());
    let make = instantiate(stranger, &code("flipper"), flipper_new(true));
    let receipt = kept.one(make);
    assert!(
        matches!(receipt.outcome, Err(Failure::Failed(_))),
        "{receipt:?}"
    );
    let before = kept.free(BOB);
    let made = kept.one(instantiate(BOB, &code("flipper"), flipper_new(true)));
    assert!(made.outcome.is_ok() && made.fee == 0, "{made:?}");
    let paid = i128::try_from(before - kept.free(BOB)).unwrap();
    assert!(paid >= made.storage_deposit && made.storage_deposit > 0);
    assert_eq!(kept.free(TREASURY) - treasury, taken);
}

fn stake(contract: ContractId, stake: Balance) -> ClusterMessage {
    ClusterMessage::ContractStake { contract, stake }
}

/// Selector of the system contract's `set_contract_weight`.
const SET_WEIGHT: [u8; 4] = [0x45, 0xec, 0x9b, 0x18];

#[test]
fn what_is_staked_is_what_a_contract_weighs() {
    let (mut kept, tell) = administered();
    let flipper = kept.flipper();
    let weigh = |weight: u32| tell(SET_WEIGHT, (flipper, weight).encode());
    let huge = Balance::MAX;
    for (message, weighs) in [
        (weigh(7), 7),
        (stake(flipper, 500), 500),
        (weigh(9), 500),
        (stake(flipper, huge), huge),
        (stake(flipper, 0), 9),
        (weigh(0), 0),
        (stake(flipper, 3), 3),
    ] {
        let applied = kept.apply(vec![message.clone()]);
        assert_eq!(applied.weights, [(flipper, weighs)], "{message:?}");
        assert_eq!(crate::weight(&kept.state, &flipper).unwrap(), weighs);
        let listed: Vec<_> = (weighs > 0)
            .then_some((flipper, weighs))
            .into_iter()
            .collect();
        assert_eq!(crate::weights(&kept.state).unwrap(), listed);
    }
}

#[test]
fn stake_on_what_is_not_there_weighs_nothing() {
    let mut kept = Kept::created();
    let before = kept.accumulator.root();
    let applied = kept.apply(vec![stake(Hash::repeat_byte(9), 500)]);
    assert_eq!(applied.weights, []);
    assert_eq!(kept.accumulator.root(), before);
}

#[test]
fn a_contract_that_removes_itself_weighs_nothing_any_more() {
    let mut kept = Kept::created();
    let contract = kept.made(does("(call $terminate (i32.const 128))"), Vec::new());
    kept.apply(vec![stake(contract, 500)]);
    let gone = plain(ALICE, contract, selector("x"), GAS);
    let applied = kept.apply(vec![gone, stake(contract, 600)]);
    assert!(applied.receipts[0].outcome.is_ok());
    assert_eq!(applied.weights.last(), Some(&(contract, 0)));
    assert_eq!(crate::weights(&kept.state).unwrap(), []);
    assert!(
        !crate::settings::keys_of(&contract)
            .iter()
            .any(|key| kept.state.contains_key(key))
    );
}
