//! The Pink extension: what contracts of `pink` 0.4.1 call through `call_chain_extension`, and those
//! of `pink-extension` 0.1 to 0.4 before it. A number has never changed its meaning: the older ones
//! knew 1 to 15 (0.1), to 18 (0.2) and to 23 (0.4).
//!
//! | id | function | in a transaction |
//! |---|---|---|
//! | 1 | `http_request` | answers with status 523 |
//! | 2 | `sign` | nothing for sr25519, whose signatures are random |
//! | 3 | `verify` | the same |
//! | 4 | `derive_sr25519_key` | the same |
//! | 5 | `get_public_key` | the same |
//! | 6, 7, 9 | `cache_set`, `cache_set_expiration`, `cache_remove` | collected as [`CacheOp`], removal answers nothing |
//! | 8 | `cache_get` | nothing |
//! | 10 | `log` | the same |
//! | 11 | `getrandom` | nothing |
//! | 12 | `is_in_transaction` | `true` |
//! | 13, 14 | `ecdsa_sign_prehashed`, `ecdsa_verify_prehashed` | the same |
//! | 15 | `system_contract_id` | the same |
//! | 16 | `balance_of` | the same; system contract only |
//! | 17 | `worker_pubkey` | zeros |
//! | 18 | `untrusted_millis_since_unix_epoch` | 0 |
//! | 19 | `code_exists` | the same |
//! | 20 | `import_latest_system_code` | the same; system contract only |
//! | 21 | `runtime_version` | the same |
//! | 22 | `batch_http_request` | not allowed |
//! | 23 | `current_event_chain_head` | zeros |
//! | 24 | `js_eval` | an exception |
//! | 25 | `worker_sgx_quote` | nothing |

pub(crate) mod crypto;
mod types;

pub use types::{
    AttestationType, CacheOp, HookPoint, HttpRequest, HttpRequestError, HttpResponse, JsCode,
    JsValue, PinkEvent, SgxQuote, SidevmConfig, SidevmOperation, SigType, Workers,
};

use codec::{DecodeLimit, Encode};

use crate::{
    error::{ContractError, DispatchError, UploadError},
    exec::Exit,
    host::ExecMode,
    interface::{Context, HostCall, HostReply},
    schema::{self, Determinism},
};

/// What `runtime_version` answers: the last version of Phala's runtime whose functions these are.
const RUNTIME_VERSION: (u32, u32) = (1, 2);

/// Time-out of `http_request`, which cannot ask for one.
const HTTP_TIMEOUT_MS: u64 = 10_000;

/// Gas of functions, besides what every call of the extension costs. `pallet-contracts` leaves the
/// price of an extension to the chain, and Phala charged nothing.
mod gas {
    pub(super) const HTTP: u64 = 20_000_000;
    pub(super) const SIGN: u64 = 50_000_000;
    pub(super) const HASH_PER_BYTE: u64 = 1_500;
    pub(super) const DERIVE: u64 = 50_000_000;
    pub(super) const CACHE: u64 = 2_000_000;
    pub(super) const LOOK_UP: u64 = 8_000_000;
    pub(super) const LOG: u64 = 2_000_000;
    pub(super) const RANDOM: u64 = 2_000_000;
    pub(super) const JS: u64 = 50_000_000;
    pub(super) const IMPORT_PER_BYTE: u64 = 50_000;
}

/// How deep an argument may nest.
const MAX_NESTING: u32 = 16;

/// What a function of the extension returns: a status, zero for success, and bytes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u32,
    pub(crate) output: Vec<u8>,
}

impl Answer {
    fn of(value: impl Encode) -> Self {
        Self {
            status: 0,
            output: value.encode(),
        }
    }

    fn error(status: u32) -> Self {
        Self {
            status,
            output: Vec::new(),
        }
    }
}

/// What became of a call of the extension.
pub(crate) enum Dispatched {
    /// It is answered.
    Answer(Answer),
    /// The host has to be asked, which may take time.
    Ask(HostCall),
}

fn decode<T: codec::Decode>(mut input: &[u8]) -> Result<T, Exit> {
    Ok(T::decode_all_with_depth_limit(MAX_NESTING, &mut input)
        .map_err(|_| ContractError::DecodingFailed)?)
}

/// Decodes an argument with lists in it. An empty header is two bytes and takes 48 in memory, so
/// what is taken is bounded by what was paid for, with room for the headers of an honest request.
fn decode_lists<T: codec::DecodeWithMemLimit>(mut input: &[u8]) -> Result<T, Exit> {
    const ROOM: usize = 64 * 1024;
    let limit = input.len().saturating_mul(2).saturating_add(ROOM);
    T::decode_with_mem_limit(&mut input, limit)
        .ok()
        .filter(|_| input.is_empty())
        .ok_or(ContractError::DecodingFailed.into())
}

fn other(text: &'static str) -> Exit {
    DispatchError::Other(text).into()
}

/// Runs the function `id` of the extension.
pub(crate) fn dispatch(
    context: &mut Context<'_>,
    id: u32,
    input: &[u8],
) -> Result<Dispatched, Exit> {
    let transaction = context.session().mode != ExecMode::Query;
    let contract = context.session().frame().account;
    let host = context.host();
    let answer = match id {
        1 => return http_request(context, decode_lists::<HttpRequest>(input)?, transaction),
        2 => sign(context, decode(input)?, transaction)?,
        3 => verify(context, decode(input)?)?,
        4 => {
            context.charge(gas::DERIVE)?;
            let salt: Vec<u8> = decode(input)?;
            let secret = host
                .derive_secret(&contract, &salt)
                .ok_or(other("the worker has no key to derive from"))?;
            Answer::of(secret.to_vec())
        }
        5 => {
            context.charge(gas::SIGN)?;
            let (scheme, key): (SigType, Vec<u8>) = decode(input)?;
            Answer::of(crypto::public_key(scheme, &key).ok_or(other("invalid key"))?)
        }
        6..=9 => cache(context, id, input, transaction)?,
        10 => {
            context.charge(gas::LOG)?;
            let (level, message): (u8, String) = decode(input)?;
            host.log(&contract, level, message);
            Answer::of(())
        }
        11 => {
            context.charge(gas::RANDOM)?;
            let length: u8 = decode(input)?;
            Answer::of(if transaction {
                Vec::new()
            } else {
                host.random(length.into())
            })
        }
        12 => Answer::of(transaction),
        13 => {
            context.charge(gas::SIGN)?;
            let (key, hash): (Vec<u8>, [u8; 32]) = decode(input)?;
            Answer::of(crypto::ecdsa_sign_prehashed(&key, &hash).ok_or(other("invalid key"))?)
        }
        14 => {
            context.charge(gas::SIGN)?;
            let (signature, hash, key): ([u8; 65], [u8; 32], [u8; 33]) = decode(input)?;
            Answer::of(crypto::ecdsa_recover(&signature, &hash) == Some(key))
        }
        15 => Answer::of(
            host.system_contract()
                .ok_or(other("there is no system contract"))?,
        ),
        16 => {
            context.charge(gas::LOOK_UP)?;
            ensure_system(context)?;
            let account = schema::account(&context.session().overlay, &decode(input)?)?;
            Answer::of((account.free.saturating_add(account.held), account.free))
        }
        17 => Answer::of(if transaction {
            [0; 32]
        } else {
            host.worker_pubkey()
        }),
        18 => Answer::of(if transaction {
            0
        } else {
            host.untrusted_now_ms()
        }),
        19 => {
            context.charge(gas::LOOK_UP)?;
            let (hash, sidevm): ([u8; 32], bool) = decode(input)?;
            let overlay = &context.session().overlay;
            Answer::of(!sidevm && schema::code_info(overlay, &hash)?.is_some())
        }
        20 => import_system_code(context, decode(input)?)?,
        21 => Answer::of(RUNTIME_VERSION),
        22 => return batch_http_request(context, decode_lists(input)?, transaction),
        23 => Answer::of(if transaction {
            (0, [0; 32])
        } else {
            host.event_chain_head()
        }),
        24 => {
            let (codes, args): (Vec<JsCode>, Vec<String>) = decode_lists(input)?;
            context.charge(gas::JS)?;
            if !transaction {
                return Ok(Dispatched::Ask(HostCall::JsEval { codes, args }));
            }
            Answer::of(JsValue::Exception(
                "Js evaluation is not supported in transaction".into(),
            ))
        }
        25 => Answer::of(if transaction { None } else { host.sgx_quote() }),
        _ => return Err(other("there is no such function of the Pink extension")),
    };
    Ok(Dispatched::Answer(answer))
}

fn ensure_system(context: &Context<'_>) -> Result<(), Exit> {
    let session = context.session();
    if session.host.system_contract() != Some(session.frame().account) {
        return Err(DispatchError::BadOrigin.into());
    }
    Ok(())
}

fn http_request(
    context: &mut Context<'_>,
    request: HttpRequest,
    transaction: bool,
) -> Result<Dispatched, Exit> {
    context.charge(gas::HTTP)?;
    if transaction {
        return Ok(Dispatched::Answer(Answer::of(HttpResponse {
            status_code: 523,
            reason_phrase: "API Unavailable".into(),
            headers: Vec::new(),
            body: Vec::new(),
        })));
    }
    Ok(Dispatched::Ask(HostCall::Http {
        requests: vec![request],
        timeout_ms: HTTP_TIMEOUT_MS,
        single: true,
    }))
}

fn batch_http_request(
    context: &mut Context<'_>,
    (requests, timeout_ms): (Vec<HttpRequest>, u64),
    transaction: bool,
) -> Result<Dispatched, Exit> {
    context.charge(gas::HTTP.saturating_mul(requests.len() as u64))?;
    let refused = if transaction {
        HttpRequestError::NotAllowed
    } else if requests.len() > context.session().engine.limits().http_batch {
        HttpRequestError::TooManyRequests
    } else {
        return Ok(Dispatched::Ask(HostCall::Http {
            requests,
            timeout_ms,
            single: false,
        }));
    };
    Ok(Dispatched::Answer(Answer::error(refused.status())))
}

/// Puts the host's answer into the form the function has.
pub(crate) fn answer_of(reply: HostReply) -> Result<Answer, Exit> {
    match reply {
        HostReply::JsEval(value) => Ok(Answer::of(value)),
        HostReply::Http {
            answers,
            single: false,
        } => Ok(match answers {
            // The contract's `Result` has the discriminants of SCALE's.
            Ok(answers) => Answer::of(answers),
            Err(error) => Answer::error(error.status()),
        }),
        HostReply::Http {
            answers,
            single: true,
        } => {
            let answer = answers.and_then(|answers| {
                answers
                    .into_iter()
                    .next()
                    .unwrap_or(Err(HttpRequestError::NetworkError))
            });
            match answer {
                Ok(response) => Ok(Answer::of(response)),
                Err(error) if error.is_original() => Err(match error {
                    HttpRequestError::InvalidUrl => other("Invalid URL"),
                    HttpRequestError::InvalidMethod => other("Invalid method"),
                    HttpRequestError::InvalidHeaderName => other("Invalid header name"),
                    HttpRequestError::InvalidHeaderValue => other("Invalid header value"),
                    HttpRequestError::Timeout => other("Timeout"),
                    _ => other("Failed to create client"),
                }),
                Err(error) => Ok(Answer::of(HttpResponse {
                    status_code: 524,
                    reason_phrase: "IO Error".into(),
                    headers: Vec::new(),
                    body: format!("{error:?}").into_bytes(),
                })),
            }
        }
    }
}

fn sign(
    context: &mut Context<'_>,
    (scheme, key, message): (SigType, Vec<u8>, Vec<u8>),
    transaction: bool,
) -> Result<Answer, Exit> {
    context.charge(gas::SIGN)?;
    context.charge(gas::HASH_PER_BYTE.saturating_mul(message.len() as u64))?;
    let mut randomness = [0; 32];
    if scheme == SigType::Sr25519 {
        if transaction {
            return Ok(Answer::of(Vec::<u8>::new()));
        }
        let random = context.host().random(randomness.len());
        randomness = random
            .try_into()
            .map_err(|_| other("the worker has no randomness"))?;
    }
    let signature = crypto::sign(scheme, &key, &message, randomness).ok_or(other("invalid key"))?;
    Ok(Answer::of(signature))
}

type Verify = (SigType, Vec<u8>, Vec<u8>, Vec<u8>);

fn verify(
    context: &mut Context<'_>,
    (scheme, public, message, signature): Verify,
) -> Result<Answer, Exit> {
    context.charge(gas::SIGN)?;
    context.charge(gas::HASH_PER_BYTE.saturating_mul(message.len() as u64))?;
    match crypto::verify(scheme, &public, &message, &signature) {
        Ok(valid) => Ok(Answer::of(valid)),
        Err(crypto::Malformed::PublicKey) => Err(other("invalid public key")),
        Err(crypto::Malformed::Signature) => Err(other("invalid signature")),
    }
}

fn cache(
    context: &mut Context<'_>,
    id: u32,
    input: &[u8],
    transaction: bool,
) -> Result<Answer, Exit> {
    context.charge(gas::CACHE)?;
    let contract = context.session().frame().account;
    let host = context.host();
    /// Success of `cache_set`, in both conventions: `pink-extension` 0.1 decodes a `Result` and does
    /// not look at the status; later ones look at the status, and then decode `()`.
    const STORED: Result<(), ()> = Ok(());
    let collect = |context: &mut Context<'_>, op: CacheOp| {
        let event = PinkEvent::CacheOp(op);
        context.session_mut().deposit_pink_event(event, input.len())
    };
    Ok(match id {
        6 => {
            let (key, value): (Vec<u8>, Vec<u8>) = decode(input)?;
            if transaction {
                collect(context, CacheOp::Set { key, value })?;
                Answer::of(STORED)
            } else if host.cache_set(&contract, &key, &value) {
                Answer::of(STORED)
            } else {
                /// The code of `StorageQuotaExceeded`.
                const QUOTA_EXCEEDED: u32 = 1;
                Answer {
                    status: QUOTA_EXCEEDED,
                    output: Err::<(), ()>(()).encode(),
                }
            }
        }
        7 => {
            let (key, expiration): (Vec<u8>, u64) = decode(input)?;
            if transaction {
                collect(context, CacheOp::SetExpiration { key, expiration })?;
            } else {
                host.cache_set_expiration(&contract, &key, expiration);
            }
            Answer::of(())
        }
        8 => {
            let key: Vec<u8> = decode(input)?;
            Answer::of(if transaction {
                None
            } else {
                host.cache_get(&contract, &key)
            })
        }
        _ => {
            let key: Vec<u8> = decode(input)?;
            Answer::of(if transaction {
                collect(context, CacheOp::Remove { key })?;
                None
            } else {
                host.cache_remove(&contract, &key)
            })
        }
    })
}

fn import_system_code(context: &mut Context<'_>, payer: [u8; 32]) -> Result<Answer, Exit> {
    context.charge(gas::LOOK_UP)?;
    ensure_system(context)?;
    let Some(wasm) = context.host().latest_system_code() else {
        return Ok(Answer::of(None::<[u8; 32]>));
    };
    let hash = crypto::blake2_256(&wasm);
    if schema::code_info(&context.session().overlay, &hash)?.is_none() {
        context.charge(gas::IMPORT_PER_BYTE.saturating_mul(wasm.len() as u64))?;
        let session = context.session_mut();
        let engine = session.engine.clone();
        let prices = session.prices;
        let uploaded = engine.upload(
            &mut session.overlay,
            &prices,
            payer,
            &wasm,
            Determinism::Enforced,
            None,
        );
        match uploaded {
            Ok(_) => {}
            Err(UploadError::State(error)) => return Err(error.into()),
            Err(error) => {
                let error = error
                    .contract_error()
                    .unwrap_or(ContractError::CodeRejected);
                return Err(error.into());
            }
        }
    }
    Ok(Answer::of(Some(hash)))
}
