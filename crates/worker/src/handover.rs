//! Handing a worker's identity over to its successor: the next version of the program, or the same on
//! another machine, to which the old one's sealing key does not go.
//!
//! 1. The successor registers as a worker of its own, with the same operator. So the chain has checked
//!    its evidence, and that the operator has sent it.
//! 2. It asks the predecessor (`POST /handover`), which looks both up on the chain, with a proof: the
//!    successor must be in service, have the same operator, and be trusted no less than the
//!    predecessor is. Then the predecessor seals its seed to the successor's key.
//! 3. The successor looks the predecessor up in the same way, opens the seed, keeps it under its own
//!    seal in the place of the key it had, and says so with a signature by the identity itself.
//! 4. The predecessor stops, for good.
//!
//! All else follows from the seed: the keys that were encrypted to it are among the chain's ordered
//! messages, and the state of the cluster comes from a snapshot. Should the successor fail before the
//! third step, the predecessor goes on; should it fail after it, it says again that it has the identity
//! when it is started again.

use crate::{
    chain::{Chain, ChainError, Line},
    identity::{self, IdentityError},
    node::View,
    records,
    sealing::Sealer,
    server::ServiceError,
};
use codec::{Decode, DecodeAll, Encode};
use phat_crypto::{Keypair, contexts, envelope, rand_core::OsRng, verify};
use phat_follower::{Head, ProofError, read_proof};
use phat_primitives::{
    AccountId, Hash, WorkerId,
    message::SealedKey,
    storage::{in_service_key, worker_key},
};
use phat_store::Store;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, watch};

/// Path under which a worker hands its identity over.
pub(crate) const PATH: &str = "/handover";
/// Most bytes of a request. The longest has 66.
pub(crate) const MAX_REQUEST_LEN: usize = 128;
/// Most bytes of what a predecessor answers: the identity, or a reason.
const MAX_ANSWER_LEN: usize = 1024;
/// Time for the predecessor to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts to ask, and the time between: either side may be some blocks behind the successor's
/// registration.
const ATTEMPTS: u32 = 20;
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Handovers that a worker has in hand at once. Each asks the chain for a proof.
const AT_ONCE: usize = 1;
/// When a successor should ask again.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// What a successor sends.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
enum Request {
    /// Asks for the identity.
    #[codec(index = 0)]
    Ask {
        /// Who asks.
        successor: WorkerId,
    },
    /// Says that it has the identity, and that the predecessor is to stop.
    #[codec(index = 1)]
    Taken {
        /// Signature by the identity over the chain's genesis hash, in the context `phat/handover`.
        signature: [u8; 64],
    },
}

/// What a predecessor answers to [`Request::Ask`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct Answer {
    /// Whose identity it is.
    predecessor: WorkerId,
    /// Its seed, for the successor only.
    seed: SealedKey,
}

/// Why an identity is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain's answer does not hold.
    #[error("the chain's answer is not proven: {0}")]
    Proof(#[from] ProofError),
    /// The other side is not to be trusted with the identity.
    #[error(
        "worker {0} is not in service, has another operator, or is trusted less by the chain: register it with the same account, on a machine that is as good"
    )]
    NotTrusted(WorkerId),
    /// This worker is not at the chain's present.
    #[error("the worker has not caught up with the chain yet; try again later")]
    Behind,
    /// The predecessor cannot be asked.
    #[error("the predecessor cannot be asked")]
    Http(#[from] reqwest::Error),
    /// The predecessor refuses.
    #[error("the predecessor refuses: {0}")]
    Refused(String),
    /// What it sent is not its identity.
    #[error("what the predecessor sent is not its identity: see that the URL is that of a worker")]
    NotTheIdentity,
    /// The seed cannot be sealed or opened.
    #[error("the identity cannot be sealed for the successor, or opened by it")]
    Seal(#[from] envelope::EnvelopeError),
    /// The new identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What belonged to the identity before cannot be removed.
    #[error("{} belongs to the worker's former identity and cannot be removed: {source}", path.display())]
    Remove {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// One side of a handover: what it knows of itself.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) identity: Keypair,
    pub(crate) operator: AccountId,
    pub(crate) genesis: Hash,
    /// WebSocket address of the chain.
    pub(crate) chain: String,
}

/// What the chain knows of a worker in service. It begins the chain's record of the worker, which goes
/// on with other things.
#[derive(Decode)]
struct Known {
    operator: AccountId,
    _measurement: [u8; 32],
    /// Smaller is better.
    confidence: u8,
}

impl Side {
    fn id(&self) -> WorkerId {
        WorkerId(self.identity.public())
    }

    /// What the chain knows, after a block, of workers: `None` of one that is not in service.
    async fn look_up(
        &self,
        head: &Head,
        workers: [&WorkerId; 2],
    ) -> Result<[Option<Known>; 2], HandoverError> {
        let chain = Chain::connect(&self.chain).await?;
        let keys = workers.map(|worker| [worker_key(worker), in_service_key(worker)]);
        let keys = keys.as_flattened();
        let proof = chain.read_proof(keys, &head.hash).await?;
        let values = read_proof(head.state_root, proof, keys)?;
        let mut known = values.chunks_exact(2).map(|values| match values {
            [Some(record), Some(_)] => Known::decode(&mut &record[..]).ok(),
            _ => None,
        });
        Ok([known.next().flatten(), known.next().flatten()])
    }

    /// Whether the identity may go from `from` to `to`, as things stood after a block. Either is the
    /// worker itself.
    async fn may_go(
        &self,
        head: &Head,
        from: &WorkerId,
        to: &WorkerId,
    ) -> Result<bool, HandoverError> {
        let [Some(before), Some(after)] = self.look_up(head, [from, to]).await? else {
            return Ok(false);
        };
        Ok(before.operator == self.operator
            && after.operator == self.operator
            && after.confidence <= before.confidence)
    }

    /// Gets the identity of the worker at `url`. The worker itself is in service.
    pub(crate) async fn ask(
        &self,
        url: &str,
        views: &watch::Receiver<View>,
    ) -> Result<Keypair, HandoverError> {
        let mut attempt = 1;
        loop {
            let head = views.borrow().head;
            match self.ask_once(url, &head).await {
                Err(reason @ (HandoverError::Refused(_) | HandoverError::NotTrusted(_)))
                    if attempt < ATTEMPTS =>
                {
                    tracing::info!(%reason, "the predecessor is asked again");
                    attempt += 1;
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    async fn ask_once(&self, url: &str, head: &Head) -> Result<Keypair, HandoverError> {
        let successor = self.id();
        let answer = post(url, &Request::Ask { successor }).await?;
        let answer =
            Answer::decode_all(&mut &answer[..]).map_err(|_| HandoverError::NotTheIdentity)?;
        if !self.may_go(head, &answer.predecessor, &successor).await? {
            return Err(HandoverError::NotTrusted(answer.predecessor));
        }
        let data = &self.genesis.0;
        let seed = envelope::open_key(&self.identity, &answer.seed, contexts::HANDOVER, data)?;
        let identity = Keypair::from_seed(*seed);
        match identity.public() == answer.predecessor.0 {
            true => Ok(identity),
            false => Err(HandoverError::NotTheIdentity),
        }
    }
}

/// Tells the worker at `url` that its identity, `taken`, is elsewhere now. If it does not hear it, the
/// operator has to know.
pub(crate) async fn tell(url: &str, taken: &Keypair, genesis: &Hash) {
    let signature = taken.sign(contexts::HANDOVER, &genesis.0, &mut OsRng);
    match post(url, &Request::Taken { signature }).await {
        Ok(_) => tracing::info!("the predecessor has stopped for good"),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the predecessor could not be told that its identity is here: see that it has stopped"
        ),
    }
}

/// Keeps `taken` as the identity in `directory`, and removes what belonged to the one before: its
/// records would not open any more.
pub(crate) fn keep(
    directory: &Path,
    sealer: &Sealer,
    taken: &Keypair,
    former: &[&str],
) -> Result<(), HandoverError> {
    // The other way round, a crash in between would leave records that do not open. This way it leaves
    // the former identity without records, with which it begins anew.
    for name in former {
        let path = directory.join(name);
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(HandoverError::Remove { path, source });
            }
            _ => {}
        }
    }
    Ok(identity::inherit(directory, sealer, taken)?)
}

/// The predecessor's side of a handover.
pub(crate) struct Predecessor {
    pub(crate) side: Side,
    pub(crate) store: Store,
    pub(crate) views: watch::Receiver<View>,
    /// Stops the worker.
    pub(crate) stop: watch::Sender<bool>,
    /// Whether the identity is elsewhere.
    pub(crate) gone: Arc<AtomicBool>,
    places: Semaphore,
}

impl Predecessor {
    pub(crate) fn new(
        side: Side,
        store: Store,
        views: watch::Receiver<View>,
        stop: watch::Sender<bool>,
    ) -> Self {
        Self {
            side,
            store,
            views,
            stop,
            gone: Arc::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// Answers a request from a stranger, as bytes.
    pub(crate) async fn answer(&self, request: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let malformed = || refused("malformed", "the request is no handover's");
        let request = Request::decode_all(&mut &request[..]).map_err(|_| malformed())?;
        let Ok(_place) = self.places.try_acquire() else {
            return Err(ServiceError::Overloaded {
                code: "overloaded",
                retry_after: BUSY_RETRY,
            });
        };
        match request {
            Request::Ask { successor } => match self.seal(successor).await {
                Ok(answer) => Ok(answer.encode()),
                Err(error @ HandoverError::NotTrusted(_)) => {
                    Err(refused("successor-not-trusted", error))
                }
                Err(error) => Err(ServiceError::Unavailable {
                    message: error.to_string(),
                    retry_after: BUSY_RETRY,
                }),
            },
            Request::Taken { signature } => {
                let public = self.side.identity.public();
                let genesis = &self.side.genesis.0;
                if !verify(&public, contexts::HANDOVER, genesis, &signature) {
                    let message = "the signature is not by this worker's identity";
                    return Err(refused("wrong-signature", message));
                }
                let mut writes = self.store.batch();
                records::put_handed_over(&mut writes, &true);
                writes
                    .commit()
                    .map_err(|error| ServiceError::Internal(Box::new(error)))?;
                tracing::warn!("the worker's successor has its identity: it stops for good");
                self.gone.store(true, Ordering::Release);
                self.stop.send_replace(true);
                Ok(Vec::new())
            }
        }
    }

    async fn seal(&self, successor: WorkerId) -> Result<Answer, HandoverError> {
        let head = {
            let view = self.views.borrow();
            // An older state may know the successor's evidence and not that it was revoked.
            if !view.caught_up {
                return Err(HandoverError::Behind);
            }
            view.head
        };
        let predecessor = self.side.id();
        if !self.side.may_go(&head, &predecessor, &successor).await? {
            return Err(HandoverError::NotTrusted(successor));
        }
        let seed = envelope::seal_key(
            &successor.0,
            self.side.identity.expose_seed(),
            contexts::HANDOVER,
            &self.side.genesis.0,
            &mut OsRng,
        )?;
        tracing::warn!(%successor, "the worker's identity is given to its successor");
        Ok(Answer { predecessor, seed })
    }
}

fn refused(code: &'static str, message: impl ToString) -> ServiceError {
    ServiceError::Refused {
        code,
        message: message.to_string(),
    }
}

async fn post(url: &str, request: &Request) -> Result<Vec<u8>, HandoverError> {
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let url = format!("{}{PATH}", url.trim_end_matches('/'));
    let mut answer = client.post(url).body(request.encode()).send().await?;
    let succeeded = answer.status().is_success();
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_ANSWER_LEN {
            return Err(HandoverError::NotTheIdentity);
        }
    }
    match succeeded {
        true => Ok(bytes),
        false => Err(HandoverError::Refused(reason(&bytes))),
    }
}

/// What a refusal says, as far as it can be shown.
fn reason(body: &[u8]) -> String {
    use phat_prpc::{Message, PrpcError};
    let message = PrpcError::decode(body).map_or_else(
        |_| String::from_utf8_lossy(body).into_owned(),
        |error| error.message,
    );
    message.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_replaces_the_identity_and_its_records() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let sealer = Sealer::development(path).unwrap();
        identity::load_or_create(path, &sealer).unwrap();
        fs::write(path.join("records.redb"), b"of the former").unwrap();
        fs::create_dir_all(path.join("snapshots/some")).unwrap();
        fs::write(path.join("other"), b"stays").unwrap();
        let taken = Keypair::generate(&mut OsRng);
        keep(path, &sealer, &taken, &["records.redb", "snapshots"]).unwrap();
        let loaded = identity::load_or_create(path, &sealer).unwrap();
        assert_eq!(loaded.key.public(), taken.public());
        assert!(loaded.inherited);
        assert!(!path.join("records.redb").exists() && !path.join("snapshots").exists());
        assert!(path.join("other").exists());
        // A second time there is nothing to remove.
        keep(path, &sealer, &taken, &["records.redb", "snapshots"]).unwrap();
    }

    #[test]
    fn a_request_has_room_for_nothing_else() {
        let longest = Request::Taken { signature: [1; 64] };
        assert!(longest.encode().len() <= MAX_REQUEST_LEN);
    }
}
