//! What a worker keeps and what it gives up when it takes a snapshot.

use super::*;
use crate::{
    keys::ClusterRecord, node::Engines, purse::Purse, server::ServerLimits,
    snapshot::format::Writer,
};
use codec::{Decode, Encode};
use phat_crypto::{Keypair, Zeroizing};
use phat_engine::{Changes, State};
use phat_follower::{Follower, Genesis};
use phat_primitives::{message::TransportEpoch, report::WithdrawalOutcome};
use phat_store::{Owner, Store};
use std::io::Write;

const CLUSTER: ClusterId = Hash::repeat_byte(1);
/// The block that created the cluster.
const BIRTH: BlockNumber = 2;
/// Last block that the worker's own state contains.
const OWN: BlockNumber = 5;
/// Block of the snapshot.
const NEWER: BlockNumber = 90;

fn secret() -> TransportSecret {
    TransportSecret::new(0, 3, Zeroizing::new([7; 32]))
}

/// A worker with a state of one record, which has followed a hundred blocks.
fn node(folder: &tempfile::TempDir) -> Node {
    let owner = Owner {
        version: records::VERSION,
        identity: b"worker",
    };
    let store = Store::open(&folder.path().join("records.redb"), &[7; 32], owner).unwrap();
    let root = Secret::of(&Keypair::from_seed([3; 32]));
    let transport = vec![(&secret()).into()];
    let mut record = Membership::begin(CLUSTER, root, transport, BIRTH, 2);
    record.applied.number = OWN;
    let mut accumulator = Accumulator::default();
    accumulator.add(b"own", b"state");
    record.accumulator = accumulator.to_bytes();
    let mut writes = store.batch();
    records::put_membership(&mut writes, &record);
    records::put_state(
        &mut writes,
        &Changes::from([(b"own".to_vec(), Some(b"state".to_vec()))]),
    );
    let known = (
        BIRTH,
        0u32,
        Vec::<TransportEpoch>::new(),
        Vec::<WorkerId>::new(),
    );
    let known = ClusterRecord::decode(&mut &known.encode()[..]).unwrap();
    records::put_cluster(&mut writes, &CLUSTER, &known);
    let position = Position {
        number: 100,
        ..Position::default()
    };
    records::put_position(&mut writes, &position);
    writes.commit().unwrap();
    let header = vec![0; 98];
    let hash = phat_primitives::blake2_256(&header).into();
    let genesis = Genesis {
        hash,
        header,
        authorities: vec![([1; 32], 1)],
        set_id: 0,
    };
    let engines = Engines::new(&ServerLimits::default()).unwrap();
    let fresh = Follower::new(genesis).unwrap();
    let identity = Keypair::from_seed([2; 32]);
    let purse = Purse::new(WorkerId(identity.public()), Hash::zero());
    Node::open(identity, hash, store, engines, fresh, purse).unwrap()
}

/// The records of a state that takes several steps to write.
fn large() -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..12u8)
        .map(|byte| (vec![b'x', byte], vec![byte; 1_000_000]))
        .collect()
}

/// What a cluster with this state agrees on. It has no receipts.
fn agreed(state: &[(Vec<u8>, Vec<u8>)]) -> Roots {
    let mut accumulator = Accumulator::default();
    for (key, value) in state {
        accumulator.add(key, value);
    }
    Roots {
        state_root: accumulator.root(),
        receipts: Hash::zero(),
    }
}

/// A snapshot at this root, with these records, whatever they add up to.
fn snapshot<'r>(root: Hash, records: impl IntoIterator<Item = &'r (Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &secret(), CLUSTER, root).unwrap();
    let head = Head {
        block: NEWER,
        now_ms: 9,
        oldest_receipts: 0,
        oldest_blocks: 0,
    };
    writer.push(&Item::Head(head)).unwrap();
    for (key, value) in records {
        let record = SnapshotRecord::state(key, value);
        writer.push(&Item::Record(record)).unwrap();
    }
    writer.finish().unwrap()
}

fn file(bytes: &[u8]) -> fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn value(node: &Node, key: &[u8]) -> Option<Vec<u8>> {
    let state = records::ClusterState(node.store.snapshot().unwrap());
    state.get(key).unwrap()
}

fn applied(node: &Node) -> BlockNumber {
    node.member.as_ref().unwrap().record.applied.number
}

#[test]
fn a_snapshot_that_is_damaged_anywhere_takes_nothing_from_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(&folder);
    let agreed = agreed(&large());
    let good = snapshot(agreed.state_root, &large());
    let damage = |at: usize| {
        let mut bent = good.clone();
        bent[at] ^= 1;
        bent
    };
    let other = snapshot(agreed.state_root, &large()[1..]);
    let damaged = [
        damage(0),
        damage(good.len() / 2),
        damage(good.len() - 1),
        good[..good.len() - 300_000].to_vec(),
        Vec::new(),
        other,
    ];
    for bytes in damaged {
        node.restore(file(&bytes), NEWER, agreed).unwrap_err();
        assert_eq!(value(&node, b"own"), Some(b"state".to_vec()));
        assert_eq!(applied(&node), OWN);
    }
    node.restore(file(&good), NEWER, agreed).unwrap();
    assert_eq!(value(&node, b"own"), None);
    assert_eq!(value(&node, b"x\x03"), Some(vec![3; 1_000_000]));
    assert_eq!(applied(&node), NEWER);
}

#[test]
fn a_record_that_comes_so_often_that_it_adds_up_to_nothing_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(&folder);
    let state = vec![(b"a".to_vec(), b"true".to_vec())];
    let agreed = agreed(&state);
    // Sums are of numbers of 16 bits.
    let forged = (b"b".to_vec(), b"forged".to_vec());
    let often = std::iter::repeat_n(&forged, 1 << 16);
    let bytes = snapshot(agreed.state_root, state.iter().chain(often));
    let refused = node.restore(file(&bytes), NEWER, agreed).unwrap_err();
    assert!(matches!(refused, RestoreError::AnotherRoot), "{refused}");
    assert_eq!(value(&node, b"b"), None);
    assert_eq!(applied(&node), BIRTH - 1);
    assert!(!node.member.as_ref().unwrap().record.restoring);
    node.restore(file(&snapshot(agreed.state_root, &state)), NEWER, agreed)
        .unwrap();
    assert_eq!(value(&node, b"a"), Some(b"true".to_vec()));
}

#[test]
fn a_restored_worker_speaks_for_those_who_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(&folder);
    let undecided = vec![
        WithdrawalOutcome {
            number: 7,
            amount: 500,
        },
        WithdrawalOutcome {
            number: 9,
            amount: 0,
        },
    ];
    let state = vec![(b"U".to_vec(), undecided.encode())];
    let agreed = agreed(&state);
    node.restore(file(&snapshot(agreed.state_root, &state)), NEWER, agreed)
        .unwrap();
    let outbox = records::outbox(&node.store.snapshot().unwrap()).unwrap();
    let heartbeat = Heartbeat::new(CLUSTER, NEWER, agreed, undecided);
    let payloads: Vec<_> = outbox.into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [Payload::Heartbeat(heartbeat)]);
}
