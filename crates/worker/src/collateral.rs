//! Fetches collateral: what Intel says about machines of one kind. It comes from Intel's provisioning
//! service (PCS) or a cache of it (PCCS), and is kept on disk, so that a service that is away does not
//! take the worker out of service. Nothing of it is believed: the verifier checks it under Intel's root.

use crate::files::{read_up_to, write_whole};
use codec::{Decode, Encode};
use phat_attestation::quote::{
    Collateral, MAX_COLLATERAL_LEN, MachineKind, QuoteRefused, Tee, appraise, machine_kind,
};
use reqwest::{Client, Response, Url};
use serde::de::IgnoredAny;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long collateral is used before newer one is asked for. Intel publishes a new TCB info within
/// days of an advisory, and each is good for a month.
const REFRESH_AFTER_MS: u64 = 24 * 3600 * 1000;
/// Where Intel publishes the certificates that its root has revoked; its own service has no method for
/// that.
const ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
/// Bytes of a cached file beyond the collateral in it.
const CACHE_OVERHEAD: usize = 128;

/// Why there is no collateral.
#[derive(Debug, thiserror::Error)]
pub enum CollateralError {
    /// The quote does not say what it needs.
    #[error(transparent)]
    Quote(#[from] QuoteRefused),
    /// The address is none.
    #[error("{0:?} is no address of a collateral service: write one such as {INTEL}", INTEL = Pccs::INTEL)]
    Address(String),
    /// The service does not answer.
    #[error("the collateral service does not answer at {url}: {source}")]
    Request {
        /// What was asked for.
        url: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The service refuses.
    #[error(
        "the collateral service answers {status} at {url}: it may not know machines of this kind"
    )]
    Status {
        /// What was asked for.
        url: String,
        /// What it answers.
        status: u16,
    },
    /// The answer is not in the form it must have.
    #[error("the answer of the collateral service at {url} has no usable {what}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// What came is not good for the quote.
    #[error("what the collateral service has is not good for this machine: {0}")]
    NotGood(#[source] QuoteRefused),
    /// The HTTP client cannot be set up.
    #[error("HTTP cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
    /// What was fetched cannot be kept. It would be fetched again and again.
    #[error("collateral cannot be kept at {}: {source}", path.display())]
    Keep {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Collateral as it lies on the disk.
#[derive(Encode, Decode)]
struct Kept {
    fetched_ms: u64,
    collateral: Collateral,
}

/// A service for collateral, with what was fetched from it before.
pub struct Pccs {
    base: Url,
    client: Client,
    folder: PathBuf,
}

impl fmt::Debug for Pccs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pccs({})", self.base)
    }
}

/// What one request brings.
struct Answer {
    /// The chain of certificates in its header.
    chain: String,
    body: Vec<u8>,
}

impl Pccs {
    /// Intel's own service.
    pub const INTEL: &str = "https://api.trustedservices.intel.com";

    /// The service at `url`. What it sends is kept in `folder`, which must be there.
    pub fn new(url: &str, folder: PathBuf) -> Result<Self, CollateralError> {
        let bad = || CollateralError::Address(url.to_owned());
        let base = Url::parse(url.trim_end_matches('/')).map_err(|_| bad())?;
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(bad());
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .build()
            .map_err(CollateralError::Client)?;
        Ok(Self {
            base,
            client,
            folder,
        })
    }

    /// Collateral for this quote: what is kept if it is recent, else what the service has, else, if
    /// the service cannot be had, what is kept as long as it is good. `now_ms` is the present time in
    /// milliseconds since the Unix epoch.
    pub async fn collateral(
        &self,
        quote: &[u8],
        now_ms: u64,
    ) -> Result<Collateral, CollateralError> {
        let kind = machine_kind(quote)?;
        let path = self.path(&kind);
        let kept = self
            .kept(&path)
            .filter(|kept| appraise(quote, &kept.collateral, now_ms).is_ok());
        match kept {
            Some(kept) if now_ms.abs_diff(kept.fetched_ms) < REFRESH_AFTER_MS => {
                Ok(kept.collateral)
            }
            kept => match (self.fetch_good(quote, &kind, now_ms).await, kept) {
                (Ok(collateral), _) => {
                    let bytes = Kept {
                        fetched_ms: now_ms,
                        collateral: collateral.clone(),
                    }
                    .encode();
                    write_whole(&path, &bytes)
                        .map_err(|source| CollateralError::Keep { path, source })?;
                    Ok(collateral)
                }
                (Err(error), Some(kept)) => {
                    tracing::warn!(%error, "no new collateral: what was fetched before is good still");
                    Ok(kept.collateral)
                }
                (Err(error), None) => Err(error),
            },
        }
    }

    fn path(&self, kind: &MachineKind) -> PathBuf {
        let name = format!(
            "collateral-{}-{}",
            folder_of(kind.tee),
            hex::encode(kind.fmspc)
        );
        self.folder.join(name)
    }

    /// What is kept. Whatever is wrong with it, it can be fetched again.
    fn kept(&self, path: &Path) -> Option<Kept> {
        let bytes = read_up_to(path, MAX_COLLATERAL_LEN + CACHE_OVERHEAD).ok()?;
        Kept::decode(&mut &bytes[..]).ok()
    }

    async fn fetch_good(
        &self,
        quote: &[u8],
        kind: &MachineKind,
        now_ms: u64,
    ) -> Result<Collateral, CollateralError> {
        let collateral = self.fetch(kind).await?;
        appraise(quote, &collateral, now_ms).map_err(CollateralError::NotGood)?;
        Ok(collateral)
    }

    async fn fetch(&self, kind: &MachineKind) -> Result<Collateral, CollateralError> {
        let tee = folder_of(kind.tee);
        let fmspc = hex::encode_upper(kind.fmspc);
        let pck_crl = self.address(&format!(
            "sgx/certification/v4/pckcrl?ca={}&encoding=der",
            kind.ca
        ));
        let pck_crl = self.get(pck_crl, &["sgx-pck-crl-issuer-chain"]).await?;
        let tcb = self.address(&format!(
            "{tee}/certification/v4/tcb?fmspc={fmspc}&update=standard"
        ));
        let chains = ["tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"];
        let info = self.get(tcb.clone(), &chains).await?;
        let (tcb_info, tcb_info_signature) = signed(&tcb, &info.body, "tcbInfo")?;
        let identity = self.address(&format!(
            "{tee}/certification/v4/qe/identity?update=standard"
        ));
        let chains = ["sgx-enclave-identity-issuer-chain"];
        let qe = self.get(identity.clone(), &chains).await?;
        let (qe_identity, qe_identity_signature) = signed(&identity, &qe.body, "enclaveIdentity")?;
        Ok(Collateral {
            pck_crl_issuer_chain: pck_crl.chain,
            root_ca_crl: self.root_crl().await?,
            pck_crl: pck_crl.body,
            tcb_info_issuer_chain: info.chain,
            tcb_info,
            tcb_info_signature,
            qe_identity_issuer_chain: qe.chain,
            qe_identity,
            qe_identity_signature,
            // Quotes of both platforms hold it.
            pck_certificate_chain: None,
        })
    }

    /// What the root has revoked: from Intel as it is, from a cache as hex.
    async fn root_crl(&self) -> Result<Vec<u8>, CollateralError> {
        if self.base.as_str().trim_end_matches('/') == Self::INTEL {
            return Ok(self.get(ROOT_CRL.to_owned(), &[]).await?.body);
        }
        let url = self.address("sgx/certification/v4/rootcacrl");
        let body = self.get(url.clone(), &[]).await?.body;
        hex::decode(body.trim_ascii()).map_err(|_| CollateralError::Malformed { url, what: "hex" })
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// An answer, with the chain of certificates in the first of these headers that it has.
    async fn get(&self, url: String, headers: &[&str]) -> Result<Answer, CollateralError> {
        let request_error = |source: reqwest::Error| CollateralError::Request {
            url: url.clone(),
            source: source.without_url(),
        };
        let response = self.client.get(&url).send().await.map_err(request_error)?;
        let status = response.status();
        if !status.is_success() {
            let status = status.as_u16();
            return Err(CollateralError::Status { url, status });
        }
        let chain = match headers {
            [] => String::new(),
            names => names
                .iter()
                .find_map(|name| response.headers().get(*name))
                .and_then(|value| unescape(value.as_bytes()))
                .ok_or_else(|| CollateralError::Malformed {
                    url: url.clone(),
                    what: "chain of certificates in its headers",
                })?,
        };
        let body = body(response).await.map_err(request_error)?;
        match body {
            Some(body) => Ok(Answer { chain, body }),
            None => Err(CollateralError::Malformed {
                url,
                what: "answer of reasonable length",
            }),
        }
    }
}

fn folder_of(tee: Tee) -> &'static str {
    match tee {
        Tee::Sgx => "sgx",
        Tee::Tdx => "tdx",
    }
}

/// The body; `None` if it is longer than all collateral may be.
async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_COLLATERAL_LEN {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Text with `%` and two hex digits in place of some bytes.
fn unescape(value: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'%' => {
                let (digits, tail) = tail.split_at_checked(2)?;
                bytes.extend(hex::decode(digits).ok()?);
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// The value of a field, to the byte as it was signed, and the signature beside it.
fn signed(
    url: &str,
    body: &[u8],
    field: &'static str,
) -> Result<(String, Vec<u8>), CollateralError> {
    #[derive(serde::Deserialize)]
    struct Signature {
        signature: String,
    }
    let read = || {
        let text = std::str::from_utf8(body).ok()?;
        let json: Signature = serde_json::from_str(text).ok()?;
        let signature = hex::decode(json.signature).ok()?;
        let name = format!("\"{field}\"");
        let after_name = text.get(text.find(&name)? + name.len()..)?;
        let value = after_name.trim_start().strip_prefix(':')?.trim_start();
        // The first value of what follows, wherever it ends.
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let value = value.get(..values.byte_offset())?;
        Some((value.to_owned(), signature))
    };
    read().ok_or_else(|| CollateralError::Malformed {
        url: url.to_owned(),
        what: field,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{self, GOOD_MS, SGX_QUOTE, TDX_QUOTE};
    use std::{fs, sync::atomic::Ordering};

    #[tokio::test]
    async fn collateral_is_fetched_once_a_day_and_kept() {
        let (url, asked) = stand_in::service().await;
        let folder = tempfile::tempdir().unwrap();
        let pccs = || Pccs::new(&url, folder.path().into()).unwrap();
        for (quote, tdx) in [(SGX_QUOTE, false), (TDX_QUOTE, true)] {
            let begun = asked.load(Ordering::SeqCst);
            let fetched = pccs().collateral(quote, GOOD_MS).await.unwrap();
            assert_eq!(fetched, stand_in::collateral(tdx));
            assert_eq!(asked.load(Ordering::SeqCst) - begun, 4);
            // Also by the next process.
            let later = GOOD_MS + REFRESH_AFTER_MS - 1;
            assert_eq!(pccs().collateral(quote, later).await.unwrap(), fetched);
            assert_eq!(asked.load(Ordering::SeqCst) - begun, 4);
            let tomorrow = GOOD_MS + REFRESH_AFTER_MS;
            assert_eq!(pccs().collateral(quote, tomorrow).await.unwrap(), fetched);
            assert_eq!(asked.load(Ordering::SeqCst) - begun, 8);
        }
    }

    #[tokio::test]
    async fn what_is_kept_serves_while_the_service_is_away_and_as_long_as_it_is_good() {
        let (url, _) = stand_in::service().await;
        let folder = tempfile::tempdir().unwrap();
        let there = Pccs::new(&url, folder.path().into()).unwrap();
        let away = Pccs::new("http://127.0.0.1:1", folder.path().into()).unwrap();
        let missing = away.collateral(SGX_QUOTE, GOOD_MS).await.unwrap_err();
        assert!(
            matches!(missing, CollateralError::Request { .. }),
            "{missing}"
        );
        let fetched = there.collateral(SGX_QUOTE, GOOD_MS).await.unwrap();
        let later = GOOD_MS + 5 * REFRESH_AFTER_MS;
        assert_eq!(away.collateral(SGX_QUOTE, later).await.unwrap(), fetched);
        let late = GOOD_MS + 100 * REFRESH_AFTER_MS;
        assert!(away.collateral(SGX_QUOTE, late).await.is_err());
        let refused = there.collateral(SGX_QUOTE, late).await.unwrap_err();
        assert!(matches!(refused, CollateralError::NotGood(_)), "{refused}");
    }

    #[tokio::test]
    async fn what_the_host_has_put_in_place_of_the_kept_is_fetched_again() {
        let (url, asked) = stand_in::service().await;
        let folder = tempfile::tempdir().unwrap();
        let pccs = Pccs::new(&url, folder.path().into()).unwrap();
        let fetched = pccs.collateral(SGX_QUOTE, GOOD_MS).await.unwrap();
        let path = fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let whole = fs::read(&path).unwrap();
        let mut bent = whole.clone();
        let place = bent.iter().rposition(|byte| *byte == b'T').unwrap();
        bent[place] = b'X';
        for wrong in [&whole[..whole.len() / 2], b"", &bent] {
            fs::write(&path, wrong).unwrap();
            let before = asked.load(Ordering::SeqCst);
            assert_eq!(pccs.collateral(SGX_QUOTE, GOOD_MS).await.unwrap(), fetched);
            assert_eq!(asked.load(Ordering::SeqCst) - before, 4);
        }
    }

    #[test]
    fn the_signed_text_is_kept_to_the_byte() {
        let body = br#"{"signature":"0a0b", "tcbInfo" : {"b": 1,"a":[{"x":"}\""}] }}"#;
        let (text, signature) = signed("u", body, "tcbInfo").unwrap();
        assert_eq!(text, r#"{"b": 1,"a":[{"x":"}\""}] }"#);
        assert_eq!(signature, [10, 11]);
        for wrong in [
            &b"{}"[..],
            b"x",
            br#"{"tcbInfo":{}}"#,
            br#"{"signature":"zz","tcbInfo":{}}"#,
        ] {
            assert!(signed("u", wrong, "tcbInfo").is_err());
        }
    }

    #[test]
    fn headers_are_unescaped() {
        assert_eq!(unescape(b"a%20b%0Ac").as_deref(), Some("a b\nc"));
        for wrong in [&b"%"[..], b"%2", b"%zz", b"%ff"] {
            assert_eq!(unescape(wrong), None);
        }
    }

    #[test]
    fn addresses_must_be_of_http() {
        for wrong in ["", "pccs", "ftp://x", "mailto:x"] {
            assert!(Pccs::new(wrong, PathBuf::new()).is_err(), "{wrong}");
        }
        assert!(Pccs::new("https://localhost:8081/", PathBuf::new()).is_ok());
    }
}
