//! What contracts do at the end of every block, at an administrator's wish.

use super::*;
use crate::limits::{MAX_HOOK_GAS, MAX_HOOKS};

/// Selectors of the system contract.
const GRANT_ADMIN: [u8; 4] = [0x67, 0x61, 0x20, 0x61];
const SET_HOOK: [u8; 4] = [0x35, 0x2c, 0x6b, 0x5c];

/// A cluster whose owner is an administrator, and a message of the owner to the system contract.
pub(super) fn administered() -> (Kept, impl Fn([u8; 4], Vec<u8>) -> ClusterMessage) {
    let mut kept = Kept::created();
    let system = ids::contract_id(&OWNER, &hash_of(&code("system")), &kept.cluster.id(), &[]);
    let tell = move |message: [u8; 4], args: Vec<u8>| {
        plain(OWNER, system, [message.to_vec(), args].concat(), GAS)
    };
    let funds = ClusterMessage::Deposit {
        account: OWNER,
        amount: FUNDS,
    };
    let applied = kept.apply(vec![funds, tell(GRANT_ADMIN, OWNER.encode())]);
    assert!(applied.receipts[0].outcome.is_ok());
    (kept, tell)
}

/// The arguments of `set_hook`: at the end of every block, flip.
fn hook(contract: ContractId, gas_limit: u64) -> Vec<u8> {
    let flip = u32::from_be_bytes(selector("flip").try_into().unwrap());
    (0u8, contract, flip, gas_limit).encode()
}

#[test]
fn a_hook_is_called_after_every_block_and_the_contract_pays() {
    let (mut kept, tell) = administered();
    let contract = kept.flipper();
    let before = kept.flipped(contract);
    let account = AccountId::from(contract.0);
    let treasury = kept.free(TREASURY);
    kept.apply(vec![
        ClusterMessage::Deposit {
            account,
            amount: FUNDS,
        },
        tell(SET_HOOK, hook(contract, 2 * GAS)),
    ]);
    assert_eq!(kept.flipped(contract), !before, "in the block itself");
    kept.apply(Vec::new());
    assert_eq!(kept.flipped(contract), before);
    let paid = FUNDS - kept.free(account);
    assert!(paid > 0 && paid < FUNDS / 2);
    assert!(kept.free(TREASURY) - treasury > paid, "besides the command");
    kept.apply(vec![tell(SET_HOOK, hook(contract, 0))]);
    assert_eq!(
        kept.flipped(contract),
        before,
        "without gas it is taken away"
    );
}

#[test]
fn a_hook_that_cannot_pay_or_fails_is_told_in_the_log_and_undone() {
    let (mut kept, tell) = administered();
    let contract = kept.flipper();
    let before = kept.flipped(contract);
    let applied = kept.apply(vec![tell(SET_HOOK, hook(contract, GAS))]);
    let line = |applied: &Applied| {
        applied.logs.iter().find_map(|log| match &log.entry {
            LogEntry::Line { message, .. } if log.contract == contract => Some(message.clone()),
            _ => None,
        })
    };
    let message = line(&applied).unwrap();
    assert!(message.starts_with("hook failed: "), "{message}");
    assert!(message.contains("is needed up front"), "{message}");
    let account = AccountId::from(contract.0);
    let funds = ClusterMessage::Deposit {
        account,
        amount: FUNDS,
    };
    let applied = kept.apply(vec![funds, tell(SET_HOOK, hook(contract, 1_000_000))]);
    let message = line(&applied).unwrap();
    assert!(message.contains("out of gas at a limit of "), "{message}");
    assert_eq!(kept.flipped(contract), before);
}

#[test]
fn hooks_and_their_gas_are_limited_and_not_for_everybody() {
    let (mut kept, tell) = administered();
    let contract = kept.flipper();
    let from_alice = plain(
        ALICE,
        ids::contract_id(&OWNER, &hash_of(&code("system")), &kept.cluster.id(), &[]),
        [SET_HOOK.to_vec(), hook(contract, GAS)].concat(),
        GAS,
    );
    kept.apply(vec![from_alice]);
    let hooks = |kept: &Kept| settings::hooks(&Overlay::new(kept.shared())).unwrap();
    assert!(hooks(&kept).is_empty());
    kept.apply(vec![tell(SET_HOOK, hook(contract, u64::MAX))]);
    assert_eq!(hooks(&kept)[0].gas_limit, MAX_HOOK_GAS);
    let missing = |byte: usize| tell(SET_HOOK, hook(Hash::repeat_byte(byte as u8), GAS));
    kept.apply((0..MAX_HOOKS + 5).map(missing).collect());
    assert_eq!(
        hooks(&kept).len(),
        1,
        "contracts that do not exist have none"
    );
}
