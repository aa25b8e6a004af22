//! Who is sent which key, and what becomes of it.

use super::*;
use phat_primitives::message::{ClusterGenesis, Prices};
use phat_store::{Owner, Store};

/// A worker, as far as keys go.
struct Peer {
    key: Keypair,
    store: Store,
    ring: Keyring,
    _folder: tempfile::TempDir,
}

const GENESIS: Hash = Hash::repeat_byte(9);

fn cluster() -> ClusterId {
    ClusterId::repeat_byte(1)
}

impl Peer {
    fn new(number: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner {
            version: 1,
            identity: &[number],
        };
        let path = folder.path().join("records");
        let store = Store::open(&path, &[number; 32], owner).unwrap();
        let key = Keypair::from_seed([number; 32]);
        let ring = Keyring::read(&store.snapshot().unwrap(), key.clone(), GENESIS).unwrap();
        Self {
            key,
            store,
            ring,
            _folder: folder,
        }
    }

    fn id(&self) -> WorkerId {
        WorkerId(self.key.public())
    }

    fn hear(&mut self, number: BlockNumber, message: &Message) {
        let snapshot = self.store.snapshot().unwrap();
        let mut writes = self.store.batch();
        self.ring
            .on_message(number, message, &snapshot, &mut writes)
            .unwrap();
        self.ring.finish_block(&mut writes);
        writes.commit().unwrap();
    }

    fn due(&mut self, now: BlockNumber) -> Vec<Payload> {
        self.ring
            .deliveries(now, &self.store.snapshot().unwrap())
            .unwrap()
    }

    fn restart(&mut self) {
        let snapshot = self.store.snapshot().unwrap();
        self.ring = Keyring::read(&snapshot, self.key.clone(), GENESIS).unwrap();
    }
}

fn all(peers: &mut [Peer], number: BlockNumber, message: &Message) {
    for peer in peers {
        peer.hear(number, message);
    }
}

/// Three workers, of which the first has made the master key.
fn network() -> Vec<Peer> {
    let mut peers: Vec<_> = (1..=3).map(Peer::new).collect();
    let first = peers[0].id();
    all(&mut peers, 1, &Message::GatekeeperAdded(first));
    make_key(&mut peers, 1, 0, 0);
    peers
}

fn make_key(peers: &mut [Peer], number: BlockNumber, generation: u32, maker: usize) {
    let wanted = Message::MasterKeyWanted {
        generation,
        maker: peers[maker].id(),
    };
    all(peers, number, &wanted);
    let said = |peer: &mut Peer| peer.ring.announcement(number);
    let reports: Vec<_> = peers.iter_mut().filter_map(said).collect();
    let [Payload::MasterKey { public, .. }] = reports[..] else {
        panic!("one worker answers: {reports:?}");
    };
    all(
        peers,
        number,
        &Message::MasterKeyMade { generation, public },
    );
}

fn created(peers: &mut [Peer], number: BlockNumber, workers: Vec<WorkerId>, generation: u32) {
    let genesis = ClusterGenesis {
        owner: phat_primitives::AccountId([0; 32]),
        prices: Prices {
            gas_price: 0,
            deposit_per_item: 0,
            deposit_per_byte: 0,
            treasury: phat_primitives::AccountId([0; 32]),
        },
        system_code: vec![],
        system_contract: Hash::zero(),
        workers,
        generation,
    };
    let message = ClusterMessage::Created(Box::new(genesis));
    all(peers, number, &Message::Cluster(cluster(), message));
}

/// What the chain makes of deliveries: the messages that all workers hear.
fn delivered(peers: &mut [Peer], number: BlockNumber, payloads: &[Payload]) {
    for payload in payloads {
        let message = match payload {
            Payload::ClusterKey { cluster, delivery } => {
                Message::Cluster(*cluster, ClusterMessage::KeyDelivered(delivery.clone()))
            }
            Payload::MasterKeys(keys) => Message::MasterKeysDelivered(keys.clone()),
            other => panic!("{other:?} is no delivery"),
        };
        all(peers, number, &message);
    }
}

fn opened(peer: &Peer, payload: &Payload) -> (Keypair, Vec<TransportSecret>) {
    let Payload::ClusterKey { cluster, delivery } = payload else {
        panic!("{payload:?} is no key of a cluster");
    };
    open_delivery(&peer.key, cluster, delivery).unwrap()
}

fn rotated(peers: &mut [Peer], number: BlockNumber, epoch: TransportEpoch) {
    let message = ClusterMessage::TransportRotated(epoch);
    all(peers, number, &Message::Cluster(cluster(), message));
}

#[test]
fn the_master_key_is_the_same_when_it_is_made_again() {
    let once = network().remove(0).ring.masters[0].public();
    let again = network().remove(0).ring.masters[0].public();
    assert_eq!(once, again);
    let mut other = Peer::new(1);
    other.ring.genesis = Hash::zero();
    let mut writes = other.store.batch();
    other.ring.make_master(0, &mut writes);
    assert_ne!(other.ring.masters[0].public(), once, "another network");
}

#[test]
fn a_master_key_is_told_of_until_the_chain_knows_it_and_only_then_sent_on() {
    let mut peers = network();
    let (maker, other) = (peers[0].id(), peers[1].id());
    let wanted = Message::MasterKeyWanted {
        generation: 1,
        maker,
    };
    all(&mut peers, 5, &wanted);
    let said = peers[0].due(5);
    let [
        Payload::MasterKey {
            generation: 1,
            public,
        },
    ] = said[..]
    else {
        panic!("it tells of its key: {said:?}");
    };
    assert!(peers[0].due(5 + SEND_AGAIN_AFTER - 1).is_empty());
    // The chain has refused it, or it was lost with the disk.
    assert_eq!(peers[0].due(5 + SEND_AGAIN_AFTER), said);
    peers[0].restart();
    assert_eq!(peers[0].due(6), said);
    // Meanwhile whoever else holds master keys is sent those that the chain knows.
    all(&mut peers, 7, &Message::GatekeeperAdded(other));
    let sent = peers[0].due(7);
    let [Payload::MasterKeys(keys)] = &sent[..] else {
        panic!("it sends what there is: {sent:?}");
    };
    assert_eq!((keys.worker, keys.keys.len()), (other, 1));
    delivered(&mut peers, 8, &sent);
    assert_eq!(peers[1].ring.master().map(|(_, held)| held), Some(true));
    let made = Message::MasterKeyMade {
        generation: 1,
        public,
    };
    all(&mut peers, 40, &made);
    let sent = peers[0].due(40);
    let [Payload::MasterKeys(keys)] = &sent[..] else {
        panic!("it sends both and tells of none: {sent:?}");
    };
    assert_eq!(keys.keys.len(), 2);
}

#[test]
fn nothing_comes_from_a_master_key_that_the_chain_does_not_know() {
    let mut peers = network();
    let maker = peers[0].id();
    let wanted = Message::MasterKeyWanted {
        generation: 1,
        maker,
    };
    all(&mut peers, 5, &wanted);
    let member = peers[1].id();
    created(&mut peers, 5, vec![member], 1);
    let said = peers[0].due(5);
    let [Payload::MasterKey { public, .. }] = said[..] else {
        panic!("it tells of its key and sends none: {said:?}");
    };
    let made = Message::MasterKeyMade {
        generation: 1,
        public,
    };
    all(&mut peers, 6, &made);
    assert!(matches!(peers[0].due(6)[..], [Payload::ClusterKey { .. }]));
}

#[test]
fn a_worker_that_is_asked_a_second_time_tells_of_the_key_that_it_has_made() {
    let mut peers = network();
    let (first, second) = (peers[0].id(), peers[1].id());
    all(&mut peers, 2, &Message::GatekeeperAdded(second));
    let sent = peers[0].due(2);
    delivered(&mut peers, 2, &sent);
    let wanted = |maker| Message::MasterKeyWanted {
        generation: 1,
        maker,
    };
    all(&mut peers, 5, &wanted(first));
    let said = peers[0].due(5);
    all(&mut peers, 6, &wanted(second));
    assert!(peers[0].due(60).is_empty(), "another one was asked");
    all(&mut peers, 70, &wanted(first));
    assert_eq!(peers[0].due(70), said);
}

#[test]
fn a_worker_is_sent_the_keys_of_its_cluster_once_and_can_open_them_alone() {
    let mut peers = network();
    let members = vec![peers[1].id(), peers[2].id()];
    created(&mut peers, 2, members, 0);
    let sent = peers[0].due(2);
    assert_eq!(sent.len(), 2);
    let to_second = sent
        .iter()
        .find(|payload| matches!(payload, Payload::ClusterKey { delivery, .. } if delivery.worker == peers[1].id()))
        .unwrap();
    let (root, transport) = opened(&peers[1], to_second);
    assert_eq!(transport.len(), 1);
    assert_eq!(transport[0].epoch(), 0);
    let Payload::ClusterKey { delivery, .. } = to_second else {
        unreachable!()
    };
    assert_eq!(delivery.public, root.public());
    assert!(open_delivery(&peers[2].key, &cluster(), delivery).is_err());
    assert!(open_delivery(&peers[1].key, &Hash::zero(), delivery).is_err());
    assert_eq!(peers[0].due(3), vec![], "they are on their way");
    delivered(&mut peers, 4, &sent);
    assert_eq!(peers[0].due(100), vec![], "they have arrived");
    peers[0].restart();
    assert_eq!(peers[0].due(100), vec![]);
}

#[test]
fn what_does_not_arrive_is_sent_again_also_after_a_restart() {
    let mut peers = network();
    let members = vec![peers[1].id()];
    created(&mut peers, 2, members, 0);
    assert_eq!(peers[0].due(2).len(), 1);
    assert_eq!(peers[0].due(2 + SEND_AGAIN_AFTER - 1).len(), 0);
    assert_eq!(peers[0].due(2 + SEND_AGAIN_AFTER).len(), 1);
    peers[0].restart();
    assert_eq!(peers[0].due(2 + SEND_AGAIN_AFTER).len(), 1);
}

#[test]
fn a_second_gatekeeper_receives_the_keys_and_steps_in_when_the_first_is_silent() {
    let mut peers = network();
    let second = peers[1].id();
    all(&mut peers, 2, &Message::GatekeeperAdded(second));
    let sent = peers[0].due(2);
    assert!(matches!(&sent[..], [Payload::MasterKeys(keys)] if keys.worker == second));
    delivered(&mut peers, 3, &sent);
    assert!(peers[1].ring.master().unwrap().1);
    assert!(!peers[2].ring.master().unwrap().1);
    peers[1].restart();
    assert_eq!(
        peers[0].ring.masters[0].public(),
        peers[1].ring.masters[0].public()
    );
    let members = vec![peers[2].id()];
    created(&mut peers, 4, members, 0);
    assert_eq!(peers[1].due(4 + TURN - 1), vec![]);
    let sent = peers[1].due(4 + TURN);
    let (root, _) = opened(&peers[2], &sent[0]);
    let by_first = peers[0].due(4);
    assert_eq!(opened(&peers[2], &by_first[0]).0.public(), root.public());
}

#[test]
fn a_worker_that_has_left_gets_no_further_key_and_cannot_compute_one() {
    let mut peers = network();
    let members = vec![peers[1].id(), peers[2].id()];
    created(&mut peers, 2, members, 0);
    let sent = peers[0].due(2);
    delivered(&mut peers, 3, &sent);
    let old = opened(&peers[1], &sent[usize::from(peers[1].id() > peers[2].id())]).1;
    let leaver = peers[1].id();
    all(
        &mut peers,
        4,
        &Message::Cluster(cluster(), ClusterMessage::WorkerRemoved(leaver)),
    );
    let next = TransportEpoch::default().next(0);
    rotated(&mut peers, 4, next);
    let sent = peers[0].due(4);
    assert_eq!(sent.len(), 1, "only the one that stays");
    let (_, new) = opened(&peers[2], &sent[0]);
    assert_eq!(new.len(), 1);
    assert_eq!(new[0].epoch(), 1);
    assert_eq!(new[0].at(0).as_ref(), old.last(), "old data stays readable");
    assert_eq!(old[0].at(1), None);
}

#[test]
fn clusters_of_an_old_generation_keep_their_root_key_and_get_new_transport_keys() {
    let mut peers = network();
    let members = vec![peers[2].id()];
    created(&mut peers, 2, members, 0);
    let before = peers[0].due(2);
    delivered(&mut peers, 2, &before);
    make_key(&mut peers, 3, 1, 0);
    rotated(&mut peers, 4, TransportEpoch::default().next(1));
    let after = peers[0].due(4);
    let (old_root, old) = opened(&peers[2], &before[0]);
    let (new_root, new) = opened(&peers[2], &after[0]);
    assert_eq!(old_root.public(), new_root.public());
    assert_eq!(new.len(), 2, "one chain of each generation");
    assert_eq!(new[0], old[0]);
    assert_eq!((new[1].first(), new[1].epoch()), (1, 1));
    assert_eq!(new[1].at(0), None);
}

#[test]
fn a_gatekeeper_that_is_dismissed_forgets_the_keys() {
    let mut peers = network();
    let first = peers[0].id();
    all(&mut peers, 2, &Message::GatekeeperRemoved(first));
    assert!(!peers[0].ring.master().unwrap().1);
    peers[0].restart();
    assert!(peers[0].ring.masters.is_empty());
    let members = vec![peers[1].id()];
    created(&mut peers, 3, members, 0);
    assert_eq!(peers[0].due(100), vec![]);
}

#[test]
fn a_key_that_another_made_first_replaces_ones_own() {
    let mut peers = network();
    let wanted = |maker| Message::MasterKeyWanted {
        generation: 1,
        maker,
    };
    let second = peers[1].id();
    all(&mut peers, 2, &Message::GatekeeperAdded(second));
    let sent = peers[0].due(2);
    delivered(&mut peers, 2, &sent);
    let first = peers[0].id();
    all(&mut peers, 3, &wanted(first));
    all(&mut peers, 4, &wanted(second));
    let answer = peers[1].ring.announcement(4);
    let Some(Payload::MasterKey { public, .. }) = answer else {
        panic!("{answer:?}");
    };
    let made = Message::MasterKeyMade {
        generation: 1,
        public,
    };
    all(&mut peers, 5, &made);
    assert_eq!(peers[0].ring.masters.len(), 1);
    let sent = peers[1].due(5 + TURN);
    delivered(&mut peers, 6 + TURN, &sent);
    assert_eq!(peers[0].ring.masters[1].public(), public);
}

#[test]
fn keys_that_are_not_those_announced_are_not_taken() {
    let mut peers = network();
    let second = peers[1].id();
    all(&mut peers, 2, &Message::GatekeeperAdded(second));
    let lie = seal(
        second,
        &[66; 32],
        contexts::MASTER_KEY_TRANSPORT,
        &0u32.to_le_bytes(),
    )
    .unwrap();
    delivered(
        &mut peers,
        3,
        &[Payload::MasterKeys(MasterKeys {
            worker: second,
            keys: vec![lie],
        })],
    );
    assert!(!peers[1].ring.master().unwrap().1);
    let members = vec![peers[2].id()];
    created(&mut peers, 4, members, 0);
    let sent = peers[0].due(4);
    let Some(Payload::ClusterKey { delivery, .. }) = sent.last() else {
        panic!("{sent:?}");
    };
    let mut bent = delivery.clone();
    bent.public = [1; 32];
    assert!(open_delivery(&peers[2].key, &cluster(), &bent).is_err());
    let mut bent = delivery.clone();
    bent.transport[0].public = [1; 32];
    assert!(open_delivery(&peers[2].key, &cluster(), &bent).is_err());
    let mut bent = delivery.clone();
    bent.transport[0].epoch = 1;
    assert!(open_delivery(&peers[2].key, &cluster(), &bent).is_err());
}
