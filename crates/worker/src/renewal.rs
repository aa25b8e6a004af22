//! When the worker renews its evidence.
//!
//! The chain says since when and until when it believes the evidence. The worker renews when two
//! thirds of that time are over, somewhat earlier or later than others, so that not all workers that
//! were registered together ask for quotes and collateral together. What fails is tried again, ever
//! less often; the operator is told in the log and by `PhactoryAPI.GetInfo`.

use codec::{Decode, Encode};
use phat_primitives::{BlockNumber, WorkerId};

/// Blocks after which the chain is asked again whether the worker is in service.
const LOOK_EVERY: BlockNumber = 10;
/// How long to wait after the first failure, and at most; twice as long after each.
const RETRY_FIRST_MS: u64 = 5_000;
const RETRY_MOST_MS: u64 = 10 * 60 * 1000;

/// How the worker stands with the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The chain knows the worker.
    pub(crate) registered: bool,
    /// Until when it believes its evidence, in milliseconds since the Unix epoch; `None` if it does
    /// not.
    pub(crate) expires_ms: Option<u64>,
    /// What the operator should know.
    pub(crate) warning: Option<String>,
}

/// Since when and until when the chain believes the evidence; as it keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ServiceTime {
    pub(crate) since_ms: u64,
    pub(crate) expires_ms: u64,
}

/// What is known, and when to do what next.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// Between 0 and 255: how much earlier than others.
    haste: u8,
    looked_at: Option<BlockNumber>,
    registered: bool,
    service: Option<ServiceTime>,
    failures: u32,
    retry_at_ms: u64,
    reason: String,
}

impl Renewal {
    pub(crate) fn new(worker: &WorkerId) -> Self {
        Self {
            // A public key is as good as random.
            haste: worker.0[0],
            looked_at: None,
            registered: false,
            service: None,
            failures: 0,
            retry_at_ms: 0,
            reason: String::new(),
        }
    }

    /// Whether the chain is to be asked about the worker after this block.
    pub(crate) fn wants_to_look(&self, block: BlockNumber, now_ms: u64) -> bool {
        let stale = |looked: BlockNumber| block.abs_diff(looked) >= LOOK_EVERY;
        self.looked_at.is_none_or(stale) || self.is_due(now_ms)
    }

    /// Takes what the chain says after a block.
    pub(crate) fn saw(
        &mut self,
        block: BlockNumber,
        registered: bool,
        service: Option<ServiceTime>,
    ) {
        self.looked_at = Some(block);
        self.registered = registered;
        if service.is_none() && self.service.is_some() {
            tracing::warn!(
                "the chain does not believe the worker's evidence any more: it is out of service until it has renewed"
            );
        }
        self.service = service;
    }

    /// Whether the chain would take reports at all.
    pub(crate) fn registered(&self) -> bool {
        self.registered
    }

    /// Whether the chain takes more of the worker than new evidence.
    pub(crate) fn in_service(&self) -> bool {
        self.service.is_some()
    }

    /// Since when the worker is in service: a number that changes with each renewal.
    pub(crate) fn since_ms(&self) -> Option<u64> {
        self.service.map(|service| service.since_ms)
    }

    /// When to renew.
    fn due_ms(service: ServiceTime, haste: u8) -> u64 {
        let life = service.expires_ms.saturating_sub(service.since_ms);
        // Up to a twelfth of the life earlier.
        let earlier = life / 12 / 255 * u64::from(haste);
        let due = service.since_ms.saturating_add(life / 3 * 2);
        due.saturating_sub(earlier)
    }

    /// Whether new evidence is to be made.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        let due = match self.service {
            _ if !self.registered => false,
            Some(service) => now_ms >= Self::due_ms(service, self.haste),
            None => true,
        };
        due && now_ms >= self.retry_at_ms
    }

    /// New evidence was accepted. Should the machine's clock be fast, so that the next renewal seems due
    /// at once, it waits all the same.
    pub(crate) fn succeeded(&mut self, now_ms: u64) {
        let life = self.service.map_or(0, |service| {
            service.expires_ms.saturating_sub(service.since_ms)
        });
        tracing::info!(
            expires_ms = self.service.map(|service| service.expires_ms),
            "evidence renewed"
        );
        self.failures = 0;
        self.retry_at_ms = now_ms.saturating_add(RETRY_MOST_MS.min(life / 3));
        self.reason.clear();
    }

    /// There is no new evidence, or the chain has refused it.
    pub(crate) fn failed(&mut self, now_ms: u64, reason: String) {
        let wait = RETRY_FIRST_MS << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        self.retry_at_ms = now_ms.saturating_add(wait.min(RETRY_MOST_MS));
        tracing::warn!(
            reason,
            failures = self.failures,
            "the worker's evidence cannot be renewed"
        );
        self.reason = reason;
    }

    pub(crate) fn standing(&self) -> Standing {
        let warning = match (self.registered, self.service, self.failures) {
            (true, None, 0) => Some(
                "out of service: the chain does not believe its evidence; it is being renewed"
                    .into(),
            ),
            (true, None, failures) => Some(format!(
                "out of service: its evidence could not be renewed ({failures} attempts): {}",
                self.reason
            )),
            (true, Some(_), 1..) => Some(format!(
                "its evidence could not be renewed ({} attempts): {}",
                self.failures, self.reason
            )),
            _ => None,
        };
        Standing {
            registered: self.registered,
            expires_ms: self.service.map(|service| service.expires_ms),
            warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: ServiceTime = ServiceTime {
        since_ms: 1_000_000,
        expires_ms: 1_000_000 + 120_000,
    };

    fn worker(haste: u8) -> Renewal {
        let mut renewal = Renewal::new(&WorkerId([haste; 32]));
        renewal.saw(1, true, Some(LIFE));
        renewal
    }

    #[test]
    fn a_renewal_is_due_when_two_thirds_are_over_or_somewhat_earlier() {
        let due = |haste| {
            let renewal = worker(haste);
            let mut times = LIFE.since_ms..LIFE.expires_ms;
            times.find(|now| renewal.is_due(*now)).unwrap() - LIFE.since_ms
        };
        assert_eq!(due(0), 80_000);
        assert!((70_000..71_000).contains(&due(255)));
        assert!(due(0) > due(100) && due(100) > due(200));
    }

    #[test]
    fn the_chain_is_asked_now_and_then_and_when_something_is_due() {
        let mut renewal = Renewal::new(&WorkerId([0; 32]));
        assert!(renewal.wants_to_look(1, 0));
        renewal.saw(1, true, Some(LIFE));
        assert!(!renewal.wants_to_look(2, LIFE.since_ms));
        assert!(renewal.wants_to_look(2, LIFE.expires_ms));
        assert!(renewal.wants_to_look(1 + LOOK_EVERY, LIFE.since_ms));
    }

    #[test]
    fn who_is_out_of_service_renews_at_once_and_who_is_not_registered_never() {
        let mut renewal = worker(0);
        renewal.saw(2, true, None);
        assert!(renewal.is_due(0));
        let warning = renewal.standing().warning.unwrap();
        assert!(warning.contains("out of service"), "{warning}");
        renewal.saw(3, false, None);
        assert!(!renewal.is_due(u64::MAX));
        assert_eq!(renewal.standing(), Standing::default());
    }

    #[test]
    fn failures_are_told_and_tried_again_ever_less_often() {
        let mut renewal = worker(0);
        let mut now = LIFE.expires_ms;
        let mut waits = Vec::new();
        for _ in 0..100 {
            renewal.failed(now, "no quote".into());
            let next = (now..)
                .step_by(1000)
                .find(|now| renewal.is_due(*now))
                .unwrap();
            waits.push(next - now);
            now = next;
        }
        assert_eq!(waits[..3], [5_000, 10_000, 20_000]);
        assert_eq!(waits[99], RETRY_MOST_MS);
        let warning = renewal.standing().warning.unwrap();
        assert!(
            warning.contains("100 attempts") && warning.contains("no quote"),
            "{warning}"
        );
        renewal.succeeded(now);
        assert_eq!(renewal.standing().warning, None);
        assert!(
            !renewal.is_due(now),
            "though its time is over by this clock"
        );
        assert!(renewal.is_due(now + 40_000));
    }
}
