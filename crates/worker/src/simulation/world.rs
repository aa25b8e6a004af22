//! Network, machines and people, and what happens in one step.

use super::{
    dice::Dice,
    invariants::{self, Accepted},
    machine::{EVIDENCE_LIFE, Machine, Running, Setting, files},
    network::{Network, Wire},
    people::{People, register, sudo},
    reference::History,
};
use crate::{
    node::{Engines, FAR_BEHIND},
    server::ServerLimits,
    worker::Advance,
};
use codec::Decode;
use pallet_phat_clusters::Call as Clusters;
use pallet_phat_registry::Call as Registry;
use phat_crypto::Keypair;
use phat_follower::Genesis;
use phat_primitives::{
    ClusterId, WorkerId, ids,
    message::{ClusterMessage, Message, OUTBOUND_KEY, Outbound},
    storage::GRANDPA_AUTHORITIES,
};
use phat_runtime::{PhalaRegistry, RuntimeCall};
use phat_solo::{Authority, Stepped};
use std::{cell::RefCell, collections::BTreeMap, fs, rc::Rc, sync::OnceLock};

/// Machines that there are in the end.
const MACHINES: usize = 6;
/// Machines that are there in the beginning.
const FIRST_MACHINES: usize = 4;
const CLUSTERS: usize = 2;
/// Time of the first block: later than any machine's clock, which workers look at to renew their
/// evidence. So the chain's time decides alone.
const BEGINNING_MS: u64 = 4_102_444_800_000;
/// Rounds after the last fault in which everything must have come right: gatekeepers take turns, and
/// send again, after some dozens of blocks.
const LAST_ROUNDS: usize = 240;

/// One pair of engines for all workers of all simulations: each reserves much address space.
fn engines() -> Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    let made = ENGINES.get_or_init(|| Engines::new(&ServerLimits::default()).unwrap());
    made.clone().with_performance(1000)
}

pub(super) struct World {
    network: Rc<RefCell<Network>>,
    setting: Setting,
    machines: Vec<Machine>,
    /// Workers whose registration was sent, with their keys.
    identities: BTreeMap<WorkerId, Keypair>,
    people: People,
    history: History,
    accepted: BTreeMap<WorkerId, Accepted>,
    /// The seed, and how to run it again.
    _guide: Guide,
    _folder: tempfile::TempDir,
}

/// Tells how a run that fails is replayed.
struct Guide(u64, Rc<RefCell<Network>>);

impl Drop for Guide {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // It is borrowed if the failure was in it.
        if let Ok(network) = self.1.try_borrow() {
            let lines = super::setting("PHAT_SEED").map_or(60, |_| usize::MAX);
            for line in network.trace.iter().rev().take(lines).rev() {
                eprintln!("{line}");
            }
        }
        eprintln!(
            "replay it with PHAT_SEED={} (and the same PHAT_STEPS)",
            self.0
        );
    }
}

/// A folder, in memory where that is possible: nothing here is worth waiting for a disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

impl World {
    pub(super) async fn new(seed: u64) -> Self {
        let folder = folder();
        let preset = phat_solo::genesis::from_preset("development", serde_json::Value::Null);
        let authority = Authority::from_secret_uri("//Alice").unwrap();
        let path = folder.path().join("chain");
        let key = OUTBOUND_KEY.to_vec();
        let chain = Stepped::open(&path, &preset.unwrap(), authority, key).unwrap();
        let first = chain.blocks(0, 1).unwrap().blocks.remove(0).0;
        let proof = chain
            .prove(&[GRANDPA_AUTHORITIES.to_vec()], chain.genesis_hash())
            .unwrap();
        let people = People::new();
        let setting = Setting {
            genesis: Genesis::from_proof(first, proof).unwrap(),
            engines: engines(),
            operator: people.owner(),
            folder: folder.path().to_owned(),
            machines: MACHINES,
        };
        let network = Network::new(chain, Dice::new(seed), BEGINNING_MS);
        let network = Rc::new(RefCell::new(network));
        let mut world = Self {
            _guide: Guide(seed, network.clone()),
            network,
            setting,
            machines: Vec::new(),
            identities: BTreeMap::new(),
            people,
            history: History::default(),
            accepted: BTreeMap::new(),
            _folder: folder,
        };
        let nothing = Outbound {
            now_ms: 0,
            first: 0,
            messages: Vec::new(),
        };
        world.history.take(nothing, &world.identities);
        world.set_up().await;
        world
    }

    async fn set_up(&mut self) {
        // Evidence is made at the chain's time, which begins with the first block.
        self.block(false, 0).await;
        let mut evidence = Vec::new();
        for number in 0..FIRST_MACHINES {
            self.add_machine(number);
            let wire = self.wire(number);
            let running = self.machines[number].running.as_mut().unwrap();
            while running.witness.views.borrow().head.number == 0 {
                running.advance(&wire).await;
            }
            evidence.push(running.witness.evidence().await.unwrap());
        }
        let ids: Vec<_> = self.machines.iter().map(Machine::id).collect();
        let clusters = [&ids[..3], &ids[3..]];
        self.people
            .set_up(&mut self.network.borrow_mut(), evidence, &clusters);
        self.block(false, 1).await;
        assert_eq!(self.history.clusters.len(), CLUSTERS);
    }

    fn add_machine(&mut self, number: usize) {
        let mut machine = Machine::new(number, &self.setting);
        machine.start(&self.setting);
        self.identities
            .insert(machine.id(), machine.identity.clone());
        self.machines.push(machine);
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.network.borrow().trace.clone()
    }

    fn dice<R>(&self, throw: impl FnOnce(&mut Dice) -> R) -> R {
        throw(&mut self.network.borrow_mut().dice)
    }

    fn note(&self, what: String) {
        self.network.borrow_mut().note(what);
    }

    fn cluster(&self) -> ClusterId {
        ids::cluster_id(1 + self.dice(|dice| dice.below(CLUSTERS)) as u64)
    }

    fn wire(&self, worker: usize) -> Wire {
        Wire {
            network: self.network.clone(),
            worker,
        }
    }

    /// One thing happens, and the invariants hold.
    pub(super) async fn step(&mut self) {
        {
            let mut network = self.network.borrow_mut();
            network.step += 1;
            network.deliver();
        }
        let number = self.dice(|dice| dice.below(self.machines.len()));
        match self.dice(|dice| dice.weighted(&[25, 34, 20, 15, 3, 3, 1, 1])) {
            0 => {
                let (general, pause) =
                    self.dice(|dice| (dice.percent(50), 1 + dice.below(6000) as u64));
                self.block(general, pause).await;
            }
            1 => self.advance(number).await,
            2 => self.report(number).await,
            3 => {
                let cluster = self.cluster();
                self.people.act(&mut self.network.borrow_mut(), cluster);
            }
            4 => self.interrupt(number).await,
            5 => self.govern().await,
            6 => {
                if self.machines[number].running.is_some() {
                    self.note(format!("w{number} has its disk copied"));
                    self.machines[number].copy_disk();
                }
            }
            _ => self.misfortune(number).await,
        }
    }

    /// The chain makes a block.
    async fn block(&mut self, general_due: bool, pause_ms: u64) {
        {
            let mut network = self.network.borrow_mut();
            network.now_ms += pause_ms;
            let now_ms = network.now_ms;
            let number = network.chain.seal(now_ms, general_due).unwrap();
            let mut blocks = network.chain.blocks(number, 1).unwrap().blocks;
            let outbound = Outbound::decode(&mut &blocks.remove(0).1[..]).unwrap();
            let messages = outbound.messages.len();
            network.note(format!("block {number} with {messages} messages"));
            for message in &outbound.messages {
                network.count(match message {
                    Message::Cluster(_, ClusterMessage::WorkerAdded(_)) => "workers added",
                    Message::Cluster(_, ClusterMessage::WorkerRemoved(_)) => "workers removed",
                    Message::Cluster(_, ClusterMessage::KeyDelivered(_)) => "keys delivered",
                    Message::GatekeeperAdded(_) => "gatekeepers added",
                    Message::GatekeeperRemoved(_) => "gatekeepers removed",
                    _ => continue,
                });
            }
            self.history.take(outbound, &self.identities);
        }
        self.history.apply(&self.setting.engines.commands).await;
        invariants::chain(&self.network.borrow(), &self.history, &mut self.accepted);
    }

    fn check(&mut self, number: usize) {
        invariants::machine(&mut self.machines[number], &self.history, &self.accepted);
        let Some(running) = &self.machines[number].running else {
            return;
        };
        let view = running.views.borrow();
        let member = view.member.as_ref();
        let root = member.map(|member| (member.applied, member.state_root));
        self.note(format!("w{number} is at {}, {root:?}", view.position));
    }

    /// A worker follows the chain, if it runs; otherwise it may start again.
    async fn advance(&mut self, number: usize) {
        if self.machines[number].running.is_none() {
            if self.dice(|dice| dice.percent(15)) {
                self.start(number);
            }
            return;
        }
        for _ in 0..self.dice(|dice| 1 + dice.below(5)) {
            match self.round(number).await {
                Some(Advance::Blocks(_) | Advance::Snapshot) => {}
                Some(Advance::Nothing) | None => return,
            }
        }
    }

    /// One round of a worker that runs. `None` if it was interrupted.
    async fn round(&mut self, number: usize) -> Option<Advance> {
        let wire = self.wire(number);
        let running = self.machines[number].running.as_mut().unwrap();
        let advanced = running.advance(&wire).await;
        let what = match &advanced {
            Some(Advance::Blocks(_)) => "rounds with blocks",
            Some(Advance::Snapshot) => "snapshots taken",
            Some(Advance::Nothing) => "rounds without news",
            None => "rounds interrupted",
        };
        self.network.borrow_mut().count(what);
        self.check(number);
        advanced
    }

    fn start(&mut self, number: usize) {
        self.note(format!("w{number} starts"));
        self.machines[number].start(&self.setting);
        self.check(number);
    }

    async fn report(&mut self, number: usize) {
        let wire = self.wire(number);
        if let Some(running) = &mut self.machines[number].running {
            running.report(&wire).await;
            self.check(number);
        }
    }

    /// A worker stops: idle, or within a batch of blocks; its disk is what it was, an older copy, or
    /// empty.
    async fn interrupt(&mut self, number: usize) {
        let running = self.machines[number].running.as_ref();
        if let Some(before) = running.and_then(Running::follower)
            && self.dice(|dice| dice.percent(50))
            && let Some(Advance::Blocks(_)) = self.round(number).await
            && let Some(running) = &self.machines[number].running
        {
            running.tear(&before);
        }
        self.machines[number].stop().await;
        let what = self.dice(|dice| dice.weighted(&[6, 2, 1]));
        self.note(format!("w{number} stops, its disk {what}"));
        let name = ["stops", "old disks", "lost disks"][what];
        self.network.borrow_mut().count(name);
        let which = self.dice(|dice| dice.below(3));
        let machine = &mut self.machines[number];
        match what {
            0 => {}
            1 => drop(machine.put_back(which)),
            _ => machine.lose_disk(),
        }
        if self.dice(|dice| dice.percent(60)) {
            self.start(number);
        }
    }

    /// The owner of the clusters, or the network's root, does something. Much of it is refused, for
    /// instance to remove the last gatekeeper.
    async fn govern(&mut self) {
        let known: Vec<_> = self.identities.keys().copied().collect();
        let gatekeepers = self.history.roles.last().unwrap().gatekeepers.clone();
        let cluster_id = self.cluster();
        let what = self.dice(|dice| dice.weighted(&[8, 5, 2, 2, 4, 4, 3]));
        let of = if what == 5 { gatekeepers } else { known };
        let Some(worker) = self.dice(|dice| dice.pick(&of)) else {
            return;
        };
        let call: RuntimeCall = match what {
            0 => Clusters::add_worker_to_cluster { worker, cluster_id }.into(),
            1 => Clusters::remove_worker_from_cluster { worker, cluster_id }.into(),
            2 => Clusters::rotate_transport_key { cluster_id }.into(),
            3 => sudo(Registry::rotate_master_key {}),
            4 => sudo(Registry::add_gatekeeper { worker }),
            5 => sudo(Registry::remove_gatekeeper { worker }),
            _ => return self.enlist().await,
        };
        let sent = self.people.govern(&mut self.network.borrow_mut(), call);
        let (number, cluster) = (self.number_of(&worker), cluster_id.to_low_u64_be());
        self.note(format!(
            "governance {what}, w{number}, cluster {cluster}: {sent}"
        ));
    }

    fn number_of(&self, worker: &WorkerId) -> usize {
        let position = self
            .machines
            .iter()
            .position(|machine| machine.id() == *worker);
        position.unwrap()
    }

    /// A machine is added, or one that the chain does not know is registered.
    async fn enlist(&mut self) {
        let registered = |machine: &&Machine| {
            let network = self.network.borrow();
            let worker = machine.id();
            let look =
                || pallet_phat_registry::Workers::<phat_runtime::Runtime>::contains_key(worker);
            network.chain.inspect(look).unwrap()
        };
        let unknown = self.machines.iter().find(|machine| !registered(machine));
        let Some(machine) = unknown else {
            let number = self.machines.len();
            if number < MACHINES {
                self.add_machine(number);
                self.note(format!("w{number} is there"));
            }
            return;
        };
        let Some(running) = &machine.running else {
            return;
        };
        let evidence = running.witness.evidence().await.unwrap();
        let call = register(evidence);
        let sent = self.people.govern(&mut self.network.borrow_mut(), call);
        self.note(format!("w{} is registered: {sent}", machine.number));
    }

    /// Time passes, so that workers that are slow lapse; or many blocks, so that they are far behind;
    /// or a file is damaged.
    async fn misfortune(&mut self, number: usize) {
        match self.dice(|dice| dice.below(4)) {
            0 => {
                self.note("the chain stands still for long".into());
                // Just too little for evidence that is new to expire.
                let long = EVIDENCE_LIFE.as_millis() as u64 - 10_000;
                self.block(false, long).await;
            }
            1 | 2 => self.cut_off(number).await,
            _ => {
                let files = files(&self.machines[number].snapshots());
                let Some(file) = self.dice(|dice| dice.pick(&files)) else {
                    return;
                };
                self.note(format!("a snapshot of w{number} is damaged"));
                let mut bytes = fs::read(&file).unwrap();
                let at = self.dice(|dice| dice.below(bytes.len()));
                if self.dice(|dice| dice.percent(50)) {
                    bytes.truncate(at);
                } else {
                    bytes[at] ^= 1;
                }
                fs::write(&file, bytes).unwrap();
            }
        }
    }

    /// One worker hears nothing for so long that a snapshot helps it, while the others go on.
    async fn cut_off(&mut self, number: usize) {
        self.note(format!("w{number} is cut off"));
        for round in 0..FAR_BEHIND as usize + 16 {
            self.block(round % 2 == 0, 100).await;
            let cluster = self.cluster();
            self.people.act(&mut self.network.borrow_mut(), cluster);
            for other in 0..self.machines.len() {
                if other != number {
                    self.advance(other).await;
                    self.report(other).await;
                }
            }
        }
    }

    /// Nothing goes wrong any more: soon everything is as it should be.
    pub(super) async fn settle(&mut self) {
        self.note("from now on nothing goes wrong".into());
        self.network.borrow_mut().calm = true;
        for number in 0..self.machines.len() {
            if self.machines[number].running.is_none() {
                self.start(number);
            }
        }
        let clusters: Vec<_> = self
            .history
            .clusters
            .iter()
            .map(|cluster| cluster.id)
            .collect();
        let mut stirred = false;
        let mut reasons = Vec::new();
        for round in 0..LAST_ROUNDS {
            self.network.borrow_mut().deliver();
            if round == LAST_ROUNDS / 2 {
                stirred = false;
            }
            if !stirred {
                stirred = self.people.stir(&mut self.network.borrow_mut(), &clusters);
            }
            self.block(round % 2 == 0, 1000).await;
            for number in 0..self.machines.len() {
                while !matches!(
                    self.round(number).await.expect("nothing goes wrong"),
                    Advance::Nothing
                ) {}
                self.report(number).await;
            }
            let registered = self.registered();
            reasons = invariants::unsettled(
                &self.network.borrow(),
                &self.history,
                &self.machines,
                &registered,
            );
            if reasons.is_empty() && round > 8 {
                return;
            }
        }
        panic!("it does not settle: {reasons:#?}");
    }

    fn registered(&self) -> BTreeMap<WorkerId, Keypair> {
        let network = self.network.borrow();
        let known = |worker: &WorkerId| {
            let look =
                || pallet_phat_registry::Workers::<phat_runtime::Runtime>::contains_key(worker);
            network.chain.inspect(look).unwrap()
        };
        self.identities
            .iter()
            .filter(|(worker, _)| known(worker))
            .map(|(worker, identity)| (*worker, identity.clone()))
            .collect()
    }

    /// How much has happened, to see that a run has tried something.
    pub(super) fn summary(&self) -> String {
        let network = self.network.borrow();
        let last = self.history.roles.last().unwrap();
        let in_service = || {
            let workers = self.identities.keys();
            workers
                .filter(|worker| PhalaRegistry::is_in_service(worker))
                .count()
        };
        let receipts: usize = self
            .history
            .clusters
            .iter()
            .map(|cluster| cluster.receipts.len())
            .sum();
        let failed = self
            .history
            .clusters
            .iter()
            .flat_map(|cluster| cluster.receipts.values())
            .filter(|receipt| receipt.outcome.is_err())
            .count();
        let twice = network
            .signed
            .values()
            .filter(|same| same.len() > 1)
            .count();
        format!(
            "{} blocks, {} commands, {failed} of them failed, {} reports, {} numbers signed for two, \
             {} master keys, {} gatekeepers, {} of {} workers in clusters, {} in service, {} contracts, {:?}",
            network.chain.height(),
            receipts,
            self.accepted.values().map(|taken| taken.next).sum::<u64>(),
            twice,
            last.masters.len(),
            last.gatekeepers.len(),
            last.seats.len(),
            self.machines.len(),
            network.chain.inspect(in_service).unwrap(),
            self.people.known(&network),
            network.counts,
        )
    }
}
