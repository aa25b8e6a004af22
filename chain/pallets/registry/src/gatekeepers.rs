//! Gatekeepers: the workers that hold the network's master keys.
//!
//! Governance elects them. The first one is asked to make the master key of generation 0; whoever is
//! elected later is sent all keys by one that has them, encrypted, through an ordered message. A new
//! generation can be made at any time, and is made when a gatekeeper is removed. Nobody forgets an old
//! generation: the root key of a cluster comes from the generation in force at its creation, and stays
//! for the cluster's life.

use super::*;
use pallet_phat_messages::Pallet as Messages;
use phat_primitives::{limits::MAX_MASTER_GENERATIONS, message::MasterKeys as Delivery};

/// A worker that holds master keys, or is to be sent them.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Gatekeeper {
    /// The worker.
    pub worker: WorkerId,
    /// It holds the master keys of this many generations, from 0 on.
    pub generations: u32,
}

impl<T: Config> Pallet<T> {
    /// The generation of the master key that is in force.
    pub fn master_generation() -> Option<u32> {
        MasterGenerations::<T>::get().checked_sub(1)
    }

    /// Whether this worker is one of the gatekeepers, and in service.
    pub fn ensure_gatekeeper(worker: &WorkerId) -> DispatchResult {
        ensure!(Self::is_gatekeeper(worker), Error::<T>::NotGatekeeper);
        ensure!(Self::is_in_service(worker), Error::<T>::OutOfService);
        Ok(())
    }

    pub(crate) fn elect(worker: WorkerId) -> DispatchResult {
        ensure!(
            Workers::<T>::contains_key(worker),
            Error::<T>::WorkerNotFound
        );
        ensure!(Self::is_in_service(&worker), Error::<T>::OutOfService);
        ensure!(!Self::is_gatekeeper(&worker), Error::<T>::GatekeeperExists);
        let added = Gatekeeper {
            worker,
            generations: 0,
        };
        Gatekeepers::<T>::try_append(added).map_err(|_| Error::<T>::TooManyGatekeepers)?;
        Messages::<T>::push(Message::GatekeeperAdded(worker))?;
        Self::deposit_event(Event::GatekeeperAdded { worker });
        if MasterGenerations::<T>::get() == 0 {
            Self::begin_generation(worker)?;
        }
        Ok(())
    }

    pub(crate) fn dismiss(worker: WorkerId) -> DispatchResult {
        ensure!(Self::is_gatekeeper(&worker), Error::<T>::NotGatekeeper);
        let mut gatekeepers = Gatekeepers::<T>::get();
        gatekeepers.retain(|known| known.worker != worker);
        // Whoever makes the next key has to hold all that have been made, or they would be lost.
        let made = Self::generations_made();
        let heir = gatekeepers
            .iter()
            .find(|known| known.generations >= made && Self::is_in_service(&known.worker))
            .ok_or(Error::<T>::LastGatekeeper)?
            .worker;
        Gatekeepers::<T>::put(gatekeepers);
        Messages::<T>::push(Message::GatekeeperRemoved(worker))?;
        Self::deposit_event(Event::GatekeeperRemoved { worker });
        match MasterKeyMaker::<T>::get() {
            Some(maker) if maker == worker => Self::ask(heir),
            Some(_) => Ok(()),
            None => Self::begin_generation(heir),
        }
    }

    pub(crate) fn rotate() -> DispatchResult {
        let made = Self::generations_made();
        let gatekeepers = Gatekeepers::<T>::get();
        let mut able = gatekeepers
            .iter()
            .filter(|known| known.generations >= made && Self::is_in_service(&known.worker))
            .map(|known| known.worker);
        match MasterKeyMaker::<T>::get() {
            // Before the first key is made, nobody holds one, and everybody can make it.
            Some(silent) => {
                let other = able.find(|worker| *worker != silent);
                Self::ask(other.ok_or(Error::<T>::MasterKeyUnderWay)?)
            }
            None => Self::begin_generation(able.next().ok_or(Error::<T>::NoMasterKey)?),
        }
    }

    /// Number of generations whose key has been made.
    fn generations_made() -> u32 {
        let under_way = u32::from(MasterKeyMaker::<T>::exists());
        MasterGenerations::<T>::get().saturating_sub(under_way)
    }

    fn begin_generation(maker: WorkerId) -> DispatchResult {
        let generation = MasterGenerations::<T>::get();
        ensure!(
            generation < MAX_MASTER_GENERATIONS,
            Error::<T>::TooManyGenerations
        );
        MasterGenerations::<T>::put(generation.saturating_add(1));
        Self::ask(maker)
    }

    /// Asks a gatekeeper for the key of the last generation.
    fn ask(maker: WorkerId) -> DispatchResult {
        let generation = Self::master_generation().ok_or(Error::<T>::NoMasterKey)?;
        MasterKeyMaker::<T>::put(maker);
        Messages::<T>::push(Message::MasterKeyWanted { generation, maker })?;
        Self::deposit_event(Event::MasterKeyWanted { generation, maker });
        Ok(())
    }

    pub(crate) fn on_master_key(
        worker: &WorkerId,
        generation: u32,
        public: [u8; 32],
    ) -> DispatchResult {
        Self::ensure_gatekeeper(worker)?;
        if let Some(known) = MasterKeys::<T>::get(generation) {
            // It was reported before, by a worker that does not know that it has arrived.
            ensure!(known == public, Error::<T>::KeyMismatch);
            return Ok(());
        }
        ensure!(
            MasterKeyMaker::<T>::get() == Some(*worker)
                && Self::master_generation() == Some(generation),
            Error::<T>::NotWanted
        );
        MasterKeyMaker::<T>::kill();
        MasterKeys::<T>::insert(generation, public);
        GatekeeperMasterPubkey::<T>::put(public);
        Self::holds(worker, generation.saturating_add(1));
        Messages::<T>::push(Message::MasterKeyMade { generation, public })?;
        Self::deposit_event(Event::MasterKeyAvailable { generation, public });
        Ok(())
    }

    pub(crate) fn on_master_keys(worker: &WorkerId, delivery: Delivery) -> DispatchResult {
        Self::ensure_gatekeeper(worker)?;
        let recipient = delivery.worker;
        Self::ensure_gatekeeper(&recipient)?;
        let generations = delivery.keys.len() as u32;
        // Two gatekeepers may both have sent them, or a newer key was made meanwhile.
        if generations <= Self::generations_held(&recipient) {
            return Ok(());
        }
        ensure!(
            generations <= Self::generations_made(),
            Error::<T>::NotWanted
        );
        Self::holds(&recipient, generations);
        Messages::<T>::push(Message::MasterKeysDelivered(delivery))?;
        Self::deposit_event(Event::MasterKeysDelivered { worker: recipient });
        Ok(())
    }

    /// Number of generations, from 0 on, whose master keys this gatekeeper holds.
    pub fn generations_held(worker: &WorkerId) -> u32 {
        Gatekeepers::<T>::get()
            .iter()
            .find(|known| known.worker == *worker)
            .map_or(0, |known| known.generations)
    }

    fn holds(worker: &WorkerId, generations: u32) {
        Gatekeepers::<T>::mutate(|gatekeepers| {
            for known in gatekeepers.iter_mut() {
                if known.worker == *worker {
                    known.generations = generations;
                }
            }
        });
    }
}
