//! Who is in service: accepting evidence, and what happens when it is not believed any more.

use super::*;
use alloc::vec::Vec;
use codec::DecodeAll;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Zero;

impl<T: Config> Pallet<T> {
    /// Milliseconds since the Unix epoch, by the chain.
    fn now_ms() -> u64 {
        let now = <T as pallet_phat_messages::Config>::Time::now();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    /// Checks evidence that is to be of a worker of this operator, and puts the worker into service.
    pub(crate) fn accept(
        evidence: &Evidence,
        operator: &T::AccountId,
    ) -> Result<Verified, DispatchError> {
        let now = frame_system::Pallet::<T>::block_number();
        let now_ms = Self::now_ms();
        let claims = evidence.claims();
        let known = Workers::<T>::get(claims.worker);
        // Before the signatures, which take longer: who replays evidence costs little.
        if let Some(known) = &known {
            ensure!(
                BlockNumberFor::<T>::from(claims.block) > known.evidence_block,
                Error::<T>::EvidenceReplayed
            );
        }
        let policy = Policy {
            genesis: frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()),
            accepted_root: DevelopmentRoot::<T>::get(),
            current_block: now.unique_saturated_into(),
            max_age: MAX_EVIDENCE_AGE,
            now_ms,
            max_life_ms: MAX_EVIDENCE_LIFE_MS,
            block_hash: |number: u32| {
                let number = BlockNumberFor::<T>::from(number);
                let hash = frame_system::Pallet::<T>::block_hash(number);
                (hash != Hash::zero()).then_some(hash)
            },
            measurement_allowed: |measurement: &[u8; 32]| {
                Measurements::<T>::contains_key(measurement)
            },
            advisory_refused: |advisory: &str| {
                // No refused one is longer than that.
                Advisory::try_from(Vec::from(advisory))
                    .is_ok_and(|name| RefusedAdvisories::<T>::contains_key(capitals(name)))
            },
        };
        let verified = phat_attestation::verify(evidence, &policy).map_err(Error::<T>::from)?;
        let sender = RawAccount(operator.clone().into());
        ensure!(verified.operator == Some(sender), Error::<T>::NotOperator);
        let worker = verified.worker;
        let before = Self::forget_service(&worker);
        let info = WorkerInfo {
            operator: operator.clone(),
            measurement: verified.measurement,
            confidence: verified.confidence,
            attested_at: now,
            evidence_block: verified.block.into(),
            performance: verified.performance,
        };
        Workers::<T>::insert(worker, info);
        let time = ServiceTime {
            since_ms: now_ms,
            expires_ms: verified.expires_ms,
        };
        InService::<T>::insert(worker, time);
        Expiries::<T>::insert((time.expires_ms.to_be_bytes(), worker), ());
        Running::<T>::insert(verified.measurement, worker, ());
        if before.is_none() {
            T::OnService::returned(&worker)?;
        }
        Ok(verified)
    }

    /// Takes evidence that a worker has reported of itself.
    pub(crate) fn renew(worker: &WorkerId, bytes: &[u8]) -> DispatchResult {
        ensure!(
            bytes.len() <= MAX_EVIDENCE_LEN as usize,
            Error::<T>::EvidenceTooLarge
        );
        let evidence =
            Evidence::decode_all(&mut &bytes[..]).map_err(|_| Error::<T>::EvidenceMalformed)?;
        // Evidence of somebody else proves nothing of who reports it.
        ensure!(
            evidence.claims().worker == *worker,
            Error::<T>::EvidenceNotBound
        );
        let known = Workers::<T>::get(worker).ok_or(Error::<T>::WorkerNotFound)?;
        let verified = Self::accept(&evidence, &known.operator)?;
        Self::deposit_event(Event::EvidenceRenewed {
            worker: *worker,
            confidence: verified.confidence,
            expires_ms: verified.expires_ms,
        });
        Ok(())
    }

    /// Removes all that says that a worker is in service. `None` if it was not.
    fn forget_service(worker: &WorkerId) -> Option<ServiceTime> {
        let time = InService::<T>::take(worker)?;
        Expiries::<T>::remove((time.expires_ms.to_be_bytes(), worker));
        if let Some(info) = Workers::<T>::get(worker) {
            Running::<T>::remove(info.measurement, worker);
        }
        Some(time)
    }

    /// Takes a worker out of service.
    fn lapse(worker: WorkerId, cause: LapseCause) {
        let done = with_storage_layer(|| {
            Self::forget_service(&worker);
            T::OnService::lapsed(&worker)
        });
        // Refused is only what a later block can do.
        if done.is_ok() {
            Self::deposit_event(Event::WorkerLapsed { worker, cause });
        }
    }

    /// Takes up to `limit` workers out of service whose evidence has expired, and says how many there
    /// were.
    pub(crate) fn lapse_expired(limit: usize) -> usize {
        let mut queue = Expiries::<T>::iter_keys().take(limit).peekable();
        // Without workers nobody needs the time, which there is none of before the first block.
        if queue.peek().is_none() {
            return 0;
        }
        let now_ms = Self::now_ms();
        let expired: Vec<_> = queue
            .take_while(|(expiry, _)| u64::from_be_bytes(*expiry) <= now_ms)
            .map(|(_, worker)| worker)
            .collect();
        for worker in &expired {
            Self::lapse(*worker, LapseCause::Expired);
        }
        expired.len()
    }

    /// Takes up to `limit` workers out of service whose program was revoked, and says how many there
    /// were.
    pub(crate) fn lapse_revoked(limit: usize) -> usize {
        let Some(measurement) = Revoking::<T>::iter_keys().next() else {
            return 0;
        };
        let workers: Vec<_> = Running::<T>::iter_key_prefix(measurement)
            .take(limit)
            .collect();
        for worker in &workers {
            Self::lapse(*worker, LapseCause::Revoked);
        }
        if workers.len() < limit {
            Revoking::<T>::remove(measurement);
        }
        workers.len()
    }

    /// Checks what is true between any two calls. It goes through all of the state: for tests and for
    /// trying an upgrade, never for a block.
    ///
    /// 1. A worker in service is registered.
    /// 2. [`Expiries`] has exactly the workers in service, each at the time at which it expires.
    /// 3. [`Running`] has exactly the workers in service, each at the program that it runs.
    pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        let mut count = 0usize;
        for (worker, time) in InService::<T>::iter() {
            let info = Workers::<T>::get(worker).ok_or("a worker in service is not registered")?;
            ensure!(
                Expiries::<T>::contains_key((time.expires_ms.to_be_bytes(), worker)),
                "a worker in service never expires"
            );
            ensure!(
                Running::<T>::contains_key(info.measurement, worker),
                "a worker in service runs nothing"
            );
            count = count.saturating_add(1);
        }
        ensure!(
            Expiries::<T>::iter_keys().count() == count,
            "a worker expires that is not in service"
        );
        ensure!(
            Running::<T>::iter_keys().count() == count,
            "a worker runs a program and is not in service"
        );
        Ok(())
    }
}
