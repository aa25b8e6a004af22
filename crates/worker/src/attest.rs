//! Makes the worker's evidence.

use crate::{
    collateral::{CollateralError, Pccs},
    node::{Engines, View},
    quoting::{QuoteError, Quoter},
};
use futures::future::BoxFuture;
use phat_attestation::{
    Claims, Evidence, TcbLevel,
    quote::{QuoteEvidence, QuoteRefused, Tee, report_data, unproven},
    software::{self, SoftwareCollateral},
};
use phat_crypto::{Keypair, rand_core::OsRng};
use phat_primitives::{AccountId, BlockNumber, Hash, WorkerId, limits::MAX_EVIDENCE_LIFE_MS};
use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{OnceCell, watch};

/// Blocks for which evidence is shown again to whoever asks for it. Making it costs a quote, so
/// strangers must not have one made for each request.
const KEPT_FOR: BlockNumber = 50;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The hardware makes no quote.
    #[error("there is no quote: {0}")]
    Quote(#[from] QuoteError),
    /// There is no collateral.
    #[error("there is no collateral: {0}")]
    Collateral(#[from] CollateralError),
    /// No chain would believe it.
    #[error("no chain would believe the evidence: {0}")]
    Refused(#[from] QuoteRefused),
    /// Whoever made the quote has panicked.
    #[error("the quote could not be made")]
    Failed,
}

/// Makes evidence of what the worker runs on.
pub trait Attester: Send + Sync {
    /// Evidence for these claims. The measurement in them is replaced by the one that was measured,
    /// where something measures it. `now_ms` is the present time, in milliseconds since the Unix
    /// epoch.
    fn attest(&self, claims: Claims, now_ms: u64) -> BoxFuture<'_, Result<Evidence, AttestError>>;
}

/// Makes evidence of quotes.
pub struct QuoteAttester {
    quoter: Arc<dyn Quoter>,
    pccs: Pccs,
    /// What the hardware measures of this program; it does not change while it runs.
    measurement: OnceCell<[u8; 32]>,
}

impl QuoteAttester {
    /// Asks `quoter` for quotes and `pccs` for collateral.
    pub fn new(quoter: impl Quoter, pccs: Pccs) -> Self {
        Self {
            quoter: Arc::new(quoter),
            pccs,
            measurement: OnceCell::new(),
        }
    }

    /// A quote. It is made on a thread where it may take its time.
    async fn quote(&self, report_data: [u8; 64]) -> Result<Vec<u8>, AttestError> {
        let quoter = self.quoter.clone();
        let quote = tokio::task::spawn_blocking(move || quoter.quote(&report_data)).await;
        Ok(quote.map_err(|_| AttestError::Failed)??)
    }

    async fn measured(&self) -> Result<[u8; 32], AttestError> {
        let quote = self.quote([0; 64]).await?;
        Ok(unproven(&quote)?.0)
    }
}

impl Attester for QuoteAttester {
    fn attest(&self, claims: Claims, now_ms: u64) -> BoxFuture<'_, Result<Evidence, AttestError>> {
        Box::pin(async move {
            let measured = self.measurement.get_or_try_init(|| self.measured()).await?;
            let claims = Claims {
                measurement: *measured,
                ..claims
            };
            let quote = self.quote(report_data(&claims)).await?;
            let (_, _, tee) = unproven(&quote)?;
            let collateral = self.pccs.collateral(&quote, now_ms).await?;
            let evidence = QuoteEvidence {
                claims,
                quote,
                collateral,
            };
            Ok(match tee {
                Tee::Sgx => Evidence::Sgx(evidence),
                Tee::Tdx => Evidence::Tdx(evidence),
            })
        })
    }
}

/// What is wrong with the evidence of a [`SoftwareAttester`] whose faults are tested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The collateral has expired.
    ExpiredCollateral,
    /// The machine's level is revoked.
    RevokedLevel,
    /// It is of a program that may not run.
    WrongMeasurement,
    /// Another key than the root's has signed it.
    WrongKey,
    /// It is the first evidence again.
    Replayed,
}

impl Fault {
    /// Every fault, by its name.
    pub const ALL: [(&str, Self); 5] = [
        ("expired-collateral", Self::ExpiredCollateral),
        ("revoked-level", Self::RevokedLevel),
        ("wrong-measurement", Self::WrongMeasurement),
        ("wrong-key", Self::WrongKey),
        ("replayed", Self::Replayed),
    ];
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, fault)| *fault).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("{name:?} is no fault: write one of {names}")
        })
    }
}

/// Makes software evidence, under the development root: it proves nothing, and only chains whose
/// genesis names that root accept it.
#[derive(Debug)]
pub struct SoftwareAttester {
    life: Duration,
    fault: Option<Fault>,
    /// The first evidence. It is always good, so that a network with a faulty worker comes up.
    first: Mutex<Option<Evidence>>,
}

impl Default for SoftwareAttester {
    /// Collateral that is good for as long as evidence may live.
    fn default() -> Self {
        Self::new(Duration::from_millis(MAX_EVIDENCE_LIFE_MS), None)
    }
}

impl SoftwareAttester {
    /// Collateral that is good for `life`, and a fault in all evidence but the first.
    pub fn new(life: Duration, fault: Option<Fault>) -> Self {
        Self {
            life,
            fault,
            first: Mutex::new(None),
        }
    }

    fn make(&self, mut claims: Claims, now_ms: u64) -> Evidence {
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let mut collateral = SoftwareCollateral {
            level: TcbLevel::UpToDate,
            expires_ms: now_ms.saturating_add(life),
        };
        let root = software::dangerous_development_root();
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(earlier) = &*first else {
            let good = software::attest(&root, claims, collateral, &mut OsRng);
            return first.insert(good).clone();
        };
        let mut key = root.clone();
        match self.fault {
            None => {}
            Some(Fault::Replayed) => return earlier.clone(),
            Some(Fault::ExpiredCollateral) => collateral.expires_ms = now_ms.saturating_sub(1),
            Some(Fault::RevokedLevel) => collateral.level = TcbLevel::Revoked,
            Some(Fault::WrongMeasurement) => claims.measurement = [0xff; 32],
            Some(Fault::WrongKey) => key = Keypair::generate(&mut OsRng),
        }
        let mut evidence = software::attest(&key, claims, collateral, &mut OsRng);
        if let Evidence::Software(evidence) = &mut evidence {
            // A forger names the root that is accepted.
            evidence.root = root.public();
        }
        evidence
    }
}

impl Attester for SoftwareAttester {
    fn attest(&self, claims: Claims, now_ms: u64) -> BoxFuture<'_, Result<Evidence, AttestError>> {
        Box::pin(async move { Ok(self.make(claims, now_ms)) })
    }
}

/// The later one of the chain's time and this machine's, in milliseconds since the Unix epoch. A chain
/// that was stopped stands at an old time until its next block; in that block the evidence must be
/// good. The machine's clock is the host's, so it decides nothing but when to renew.
pub(crate) fn latest(chain_ms: u64) -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let clock_ms = clock.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    });
    clock_ms.max(chain_ms)
}

/// Makes evidence for one worker: knows what it claims.
pub(crate) struct Witness {
    pub(crate) worker: WorkerId,
    pub(crate) operator: AccountId,
    /// Of the program, where nothing measures it.
    pub(crate) measurement: [u8; 32],
    pub(crate) genesis: Hash,
    pub(crate) attester: Arc<dyn Attester>,
    pub(crate) engines: Engines,
    pub(crate) views: watch::Receiver<View>,
    /// The last evidence that was made, to be shown. Whoever waits for it waits for one quote.
    pub(crate) kept: tokio::sync::Mutex<Option<Evidence>>,
}

impl Witness {
    /// Fresh evidence, as of the last block followed.
    pub(crate) async fn evidence(&self) -> Result<Evidence, AttestError> {
        let performance = self.engines.performance().await.score;
        let (head, chain_ms) = {
            let view = self.views.borrow();
            (view.head, view.now_ms)
        };
        let now_ms = latest(chain_ms);
        let claims = Claims {
            worker: self.worker,
            operator: Some(self.operator),
            measurement: self.measurement,
            genesis: self.genesis,
            block: head.number,
            block_hash: head.hash,
            performance,
        };
        let evidence = self.attester.attest(claims, now_ms).await?;
        match evidence.quote_refused(now_ms) {
            Some(reason) => Err(reason.into()),
            None => Ok(evidence),
        }
    }

    /// Evidence that is recent enough to register with. Strangers may ask for it.
    pub(crate) async fn recent_evidence(&self) -> Result<Evidence, AttestError> {
        let mut kept = self.kept.lock().await;
        let head = self.views.borrow().head.number;
        if let Some(evidence) = &*kept
            && head.saturating_sub(evidence.claims().block) < KEPT_FOR
        {
            return Ok(evidence.clone());
        }
        Ok(kept.insert(self.evidence().await?).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        quoting::{Gramine, Tsm},
        stand_in::{self, GOOD_MS},
    };
    use phat_attestation::{EvidenceError, Policy, Verified, verify};
    use phat_primitives::limits::MAX_EVIDENCE_AGE;

    const PROGRAM: [u8; 32] = [2; 32];

    fn claims(block: BlockNumber) -> Claims {
        Claims {
            worker: WorkerId([3; 32]),
            operator: None,
            measurement: PROGRAM,
            genesis: Hash::zero(),
            block,
            block_hash: Hash::zero(),
            performance: 1,
        }
    }

    fn check(evidence: &Evidence, now_ms: u64) -> Result<Verified, EvidenceError> {
        let policy = Policy {
            genesis: Hash::zero(),
            accepted_root: Some(software::dangerous_development_root().public()),
            current_block: 10,
            max_age: MAX_EVIDENCE_AGE,
            now_ms,
            max_life_ms: MAX_EVIDENCE_LIFE_MS,
            block_hash: |_| Some(Hash::zero()),
            measurement_allowed: |program: &[u8; 32]| *program == PROGRAM,
            advisory_refused: |_: &str| false,
        };
        verify(evidence, &policy)
    }

    #[tokio::test]
    async fn each_fault_is_refused_for_what_it_is_and_the_first_evidence_is_good() {
        let expected = [
            Err(EvidenceError::CollateralExpired),
            Err(EvidenceError::LevelRefused),
            Err(EvidenceError::UnknownMeasurement),
            Err(EvidenceError::BadSignature),
            // The chain knows that it has seen this block.
            Ok(5),
        ];
        for ((name, fault), expected) in Fault::ALL.into_iter().zip(expected) {
            assert_eq!(name.parse(), Ok(fault));
            let attester = SoftwareAttester::new(Duration::from_secs(1), Some(fault));
            let first = attester.attest(claims(5), 1000).await.unwrap();
            assert_eq!(check(&first, 1000).unwrap().expires_ms, 2000);
            let second = attester.attest(claims(6), 1000).await.unwrap();
            assert_eq!(
                check(&second, 1000).map(|verified| verified.block),
                expected
            );
        }
        assert!(
            "nothing"
                .parse::<Fault>()
                .unwrap_err()
                .contains("wrong-key")
        );
    }

    /// Answers with the quote of a real machine, whatever it is asked.
    struct Real(&'static [u8]);

    impl Quoter for Real {
        fn quote(&self, _: &[u8; 64]) -> Result<Vec<u8>, QuoteError> {
            Ok(self.0.to_vec())
        }
    }

    #[tokio::test]
    async fn quotes_and_collateral_become_evidence_of_what_was_measured() {
        let (url, _) = stand_in::service().await;
        let folder = tempfile::tempdir().unwrap();
        for (quote, tdx) in [(stand_in::SGX_QUOTE, false), (stand_in::TDX_QUOTE, true)] {
            let pccs = Pccs::new(&url, folder.path().into()).unwrap();
            let attester = QuoteAttester::new(Real(quote), pccs);
            let evidence = attester.attest(claims(5), GOOD_MS).await.unwrap();
            assert_eq!(matches!(evidence, Evidence::Tdx(_)), tdx);
            assert_eq!(evidence.claims().measurement, unproven(quote).unwrap().0);
            assert_eq!(evidence.quote_refused(GOOD_MS), None);
            // It is real, but not made for these claims.
            assert_eq!(check(&evidence, GOOD_MS), Err(EvidenceError::NotBound));
        }
    }

    /// A stand-in cannot sign, so there is no collateral with which its quotes would be good.
    #[tokio::test]
    async fn a_quote_that_nobody_has_signed_never_becomes_evidence() {
        let (url, _) = stand_in::service().await;
        let folder = tempfile::tempdir().unwrap();
        let pccs = || Pccs::new(&url, folder.path().into()).unwrap();
        // One is for the measurement.
        let gramine = stand_in::gramine(2);
        let sgx = QuoteAttester::new(Gramine::new(gramine.path()), pccs());
        let tsm = stand_in::tsm(2, |generation| generation + 1);
        let tdx = QuoteAttester::new(Tsm::new(tsm.path()), pccs());
        for attester in [sgx, tdx] {
            let refused = attester.attest(claims(5), GOOD_MS).await.unwrap_err();
            assert!(
                matches!(
                    &refused,
                    AttestError::Collateral(CollateralError::NotGood(_))
                ),
                "{refused}"
            );
            assert!(refused.to_string().contains("signature"), "{refused}");
            assert_ne!(attester.measurement.get(), Some(&PROGRAM));
        }
    }
}
