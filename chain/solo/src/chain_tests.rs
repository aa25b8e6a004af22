//! The chain makes blocks, and finds them again.

use codec::Decode;
use finality_grandpa::voter_set::VoterSet;
use polkadot_sdk::*;

use sp_consensus_aura::sr25519::AuthorityPair as AuraPair;
use sp_consensus_grandpa::{GrandpaJustification, Message, check_message_signature};
use sp_core::Pair;
use sp_keyring::Sr25519Keyring::{Alice, Bob, One};
use sp_runtime::traits::BlakeTwo256;

use phat_runtime::{PHA, RuntimeCall};

use super::*;
use crate::store::DataDirError;
use crate::testing::{OUTBOUND, alice, genesis, offered, open, signed, transfer};

/// Some time in 2024, in milliseconds.
const NOW: u64 = 1_700_000_000_000;

fn balance(chain: &Chain, number: u32) -> u128 {
    let state = chain.store.state(number).expect("the state is there");
    state
        .inspect(|| phat_runtime::Balances::free_balance(One.to_account_id()))
        .expect("a balance can be read")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

#[test]
fn a_transfer_in_a_block_moves_money_and_the_block_before_still_shows_none_of_it() {
    let dir = folder();
    let mut chain = open(dir.path());
    let transaction = offered(transfer(Alice, 0, 5 * PHA, chain.genesis_hash()));
    let sealed = chain.seal(NOW, &[transaction]).expect("a block is made");
    assert_eq!(sealed.outcomes, [Outcome::Included]);
    assert_eq!(sealed.header.number, 1);
    assert_eq!((balance(&chain, 0), balance(&chain, 1)), (0, 5 * PHA));
    // The timestamp's inherent, and the transfer.
    let body = chain
        .store
        .body(1)
        .expect("it can be read")
        .expect("there is one");
    let [inherent, _] = &body[..] else {
        panic!("two extrinsics: {body:?}");
    };
    assert_eq!(
        inherent.inner().first(),
        Some(&4),
        "old clients decode version 4 alone"
    );
}

#[test]
fn a_reopened_chain_continues_with_the_same_blocks_and_state() {
    let dir = folder();
    let mut chain = open(dir.path());
    let genesis_hash = chain.genesis_hash();
    for nonce in 0..3 {
        let transaction = offered(transfer(Alice, nonce, PHA, genesis_hash));
        chain.seal(NOW, &[transaction]).expect("a block is made");
    }
    let best = chain.best().clone();
    // Dropped without any farewell, as a killed process leaves it.
    drop(chain);
    let mut chain = open(dir.path());
    assert_eq!(chain.best(), &best);
    assert_eq!(chain.genesis_hash(), genesis_hash);
    assert_eq!(balance(&chain, 3), 3 * PHA);
    let next = chain.seal(NOW, &[]).expect("a block is made");
    assert_eq!(next.header.parent_hash, best.hash());
    let justification = chain.store.justification(3).expect("it can be read");
    assert!(justification.is_some());
}

#[test]
fn the_justification_of_a_block_verifies_against_the_authority_in_genesis() {
    let dir = folder();
    let mut chain = open(dir.path());
    let sealed = chain.seal(NOW, &[]).expect("a block is made");
    let bytes = chain.store.justification(1).expect("it can be read");
    let justification =
        GrandpaJustification::<Header>::decode(&mut &bytes.expect("there is one")[..])
            .expect("it has the form of Substrate's");
    assert_eq!(justification.commit.target_hash, sealed.hash);
    let voters = VoterSet::new([(alice().grandpa_id(), 1)]).expect("one voter is a set");
    let [vote] = &justification.commit.precommits[..] else {
        panic!("there is one vote: {justification:?}");
    };
    assert!(voters.contains(&vote.id));
    let message = Message::<Header>::Precommit(vote.precommit.clone());
    let verify = |set_id| {
        check_message_signature(
            &message,
            &vote.id,
            &vote.signature,
            justification.round,
            set_id,
        )
        .is_valid()
    };
    assert!(verify(0));
    assert!(!verify(1), "another set's round must not verify");
}

#[test]
fn a_header_carries_its_slot_and_the_seal_of_the_authority() {
    let dir = folder();
    let mut chain = open(dir.path());
    let sealed = chain.seal(NOW, &[]).expect("a block is made");
    let mut header = sealed.header;
    let Some(seal) = header.digest.pop() else {
        panic!("the header has a digest");
    };
    let signature: AuraSignature = seal.as_aura_seal().expect("the last item is the seal");
    assert!(AuraPair::verify(
        &signature,
        header.hash(),
        &alice().aura_id()
    ));
    let slot = header.digest.logs.iter().find_map(|log| {
        <DigestItem as CompatibleDigestItem<AuraSignature>>::as_aura_pre_digest(log)
    });
    assert_eq!(slot, Some(Slot::from(NOW / 3_000)));
}

#[test]
fn time_moves_forward_even_if_the_clock_does_not() {
    let dir = folder();
    let mut chain = open(dir.path());
    let time = |chain: &Chain| {
        let state = chain.store.state(chain.best().number).expect("it is there");
        state
            .inspect(pallet_timestamp::Now::<Runtime>::get)
            .expect("the time can be read")
    };
    chain.seal(NOW, &[]).expect("a block is made");
    assert_eq!(time(&chain), NOW);
    chain.seal(NOW, &[]).expect("a block is made");
    assert_eq!(time(&chain), NOW + 1);
    chain
        .seal(5, &[])
        .expect("a block is made with a clock gone back");
    assert_eq!(time(&chain), NOW + 2);
}

#[test]
fn invalid_transactions_are_left_out_with_a_reason_and_leave_no_trace() {
    let dir = folder();
    let mut chain = open(dir.path());
    let genesis_hash = chain.genesis_hash();
    let mut forged = transfer(Alice, 0, PHA, genesis_hash);
    forged.function = transfer(Alice, 0, 2 * PHA, genesis_hash).function;
    forged.encoded_call = None;
    let sealed = chain
        .seal(
            NOW,
            &[
                offered(forged),
                offered(transfer(One, 0, PHA, genesis_hash)),
                offered(transfer(Alice, 7, PHA, genesis_hash)),
                offered(transfer(Alice, 0, PHA, genesis_hash)),
                offered(transfer(Alice, 0, PHA, genesis_hash)),
            ],
        )
        .expect("a block is made");
    let [forged, poor, early, good, stale] = &sealed.outcomes[..] else {
        panic!("one outcome each: {:?}", sealed.outcomes);
    };
    assert!(matches!(forged, Outcome::Invalid(reason) if reason.contains("signature")));
    assert!(matches!(poor, Outcome::Invalid(reason) if reason.contains("balance")));
    assert_eq!(*early, Outcome::Premature);
    assert_eq!(*good, Outcome::Included);
    assert!(matches!(stale, Outcome::Invalid(reason) if reason.contains("outdated")));
    assert_eq!(balance(&chain, 1), PHA);
}

#[test]
fn a_transaction_that_makes_the_runtime_panic_is_left_out_and_the_block_is_made() {
    let dir = folder();
    let mut chain = open(dir.path());
    let genesis_hash = chain.genesis_hash();
    // Asks for the version in new code, which only a host of Wasm could tell.
    let code = frame_system::Call::set_code { code: vec![0; 8] };
    let call = pallet_sudo::Call::sudo {
        call: Box::new(code.into()),
    };
    let sealed = chain
        .seal(
            NOW,
            &[
                offered(signed(Alice, 0, 0, call.into(), genesis_hash)),
                offered(transfer(Bob, 0, PHA, genesis_hash)),
            ],
        )
        .expect("a block is made");
    assert!(
        matches!(&sealed.outcomes[0], Outcome::Invalid(reason) if reason.contains("stopped")),
        "{:?}",
        sealed.outcomes
    );
    assert_eq!(sealed.outcomes[1], Outcome::Included);
    assert_eq!(balance(&chain, 1), PHA);
}

#[test]
fn what_does_not_fit_waits_for_the_next_block() {
    let dir = folder();
    let mut chain = open(dir.path());
    let genesis_hash = chain.genesis_hash();
    let large = |nonce| {
        let call = frame_system::Call::remark {
            remark: vec![0; 3 * 1024 * 1024],
        };
        offered(signed(Alice, nonce, 0, call.into(), genesis_hash))
    };
    let sealed = chain
        .seal(
            NOW,
            &[
                large(0),
                large(1),
                offered(transfer(Bob, 0, PHA, genesis_hash)),
            ],
        )
        .expect("a block is made");
    assert_eq!(
        sealed.outcomes,
        [Outcome::Included, Outcome::Deferred, Outcome::Included]
    );
    let sealed = chain.seal(NOW, &[large(1)]).expect("a block is made");
    assert_eq!(sealed.outcomes, [Outcome::Included]);
}

#[test]
fn bytes_under_the_outbound_key_are_kept_beside_the_block() {
    let dir = folder();
    let mut chain = open(dir.path());
    let set = |value: &[u8]| {
        let items = vec![(OUTBOUND.to_vec(), value.to_vec())];
        let call: RuntimeCall = frame_system::Call::set_storage { items }.into();
        RuntimeCall::from(pallet_sudo::Call::sudo {
            call: Box::new(call),
        })
    };
    let genesis_hash = chain.genesis_hash();
    for (nonce, value) in [b"first".as_slice(), b"second"].into_iter().enumerate() {
        let nonce = nonce.try_into().expect("small");
        let transaction = offered(signed(Alice, nonce, 0, set(value), genesis_hash));
        let sealed = chain.seal(NOW, &[transaction]).expect("a block is made");
        assert_eq!(sealed.outcomes, [Outcome::Included]);
    }
    let outbound = |number| chain.store.outbound(number).expect("it can be read");
    assert_eq!(outbound(0), Some(Vec::new()));
    assert_eq!(outbound(1).as_deref(), Some(b"first".as_slice()));
    assert_eq!(outbound(2).as_deref(), Some(b"second".as_slice()));
    assert_eq!(outbound(3), None);
}

#[test]
fn a_read_proof_verifies_against_the_headers_state_root_and_no_other() {
    let dir = folder();
    let mut chain = open(dir.path());
    let transaction = offered(transfer(Alice, 0, PHA, chain.genesis_hash()));
    chain.seal(NOW, &[transaction]).expect("a block is made");
    let key = frame_system::Account::<Runtime>::hashed_key_for(One.to_account_id());
    let absent = b"nothing stands here".to_vec();
    let state = chain.store.state(1).expect("it is there");
    let value = state.get(&key).expect("it can be read");
    assert!(value.is_some());
    let proof = state
        .prove(&[key.clone(), absent.clone()])
        .expect("it can be proven");
    let check = |root| {
        sp_state_machine::read_proof_check::<BlakeTwo256, _>(
            root,
            proof.clone(),
            [key.as_slice(), absent.as_slice()],
        )
    };
    let mut proven = check(chain.best().state_root).expect("it verifies");
    assert_eq!(proven.remove(key.as_slice()), Some(value));
    assert_eq!(proven.remove(absent.as_slice()), Some(None));
    let genesis = chain
        .store
        .header(0)
        .expect("it can be read")
        .expect("it is there");
    assert!(check(genesis.state_root).is_err());
}

#[test]
fn another_genesis_in_the_same_folder_is_refused() {
    let dir = folder();
    drop(open(dir.path()));
    let mut other = genesis();
    other.insert(b"another".to_vec(), b"chain".to_vec());
    let error = Chain::open(dir.path(), &other, alice(), OUTBOUND.to_vec()).err();
    assert!(
        matches!(
            error,
            Some(OpenChainError::DataDir(DataDirError::OtherChain { .. }))
        ),
        "{error:?}"
    );
}

#[test]
fn keys_that_genesis_does_not_name_are_refused() {
    let bob = Authority::from_secret_uri("//Bob").expect("//Bob is a key");
    let error = Chain::open(folder().path(), &genesis(), bob, OUTBOUND.to_vec()).err();
    assert!(
        matches!(error, Some(OpenChainError::NotTheAuthority)),
        "{error:?}"
    );
}

#[test]
fn calls_nested_as_deep_as_the_decoder_allows_do_not_exhaust_a_worker_threads_stack() {
    let dir = folder();
    let mut chain = open(dir.path());
    let mut call: RuntimeCall = frame_system::Call::remark { remark: Vec::new() }.into();
    for _ in 0..250 {
        call = pallet_utility::Call::as_derivative {
            index: 0,
            call: Box::new(call),
        }
        .into();
    }
    let extrinsic = signed(Alice, 0, 0, call, chain.genesis_hash());
    let bytes = codec::Encode::encode(&extrinsic);
    let extrinsic = crate::service::decode(&bytes).expect("it is not too deep");
    // Half of what the threads of a tokio runtime have.
    let sealed = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || chain.seal(NOW, &[offered(extrinsic)]).map(|s| s.outcomes))
        .expect("a thread starts")
        .join()
        .expect("it ends");
    assert_eq!(sealed.expect("a block is made"), [Outcome::Included]);
}
