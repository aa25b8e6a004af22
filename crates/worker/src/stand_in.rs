//! Stand-ins for what quotes come from, for tests: folders of pipes with somebody at the other end, and
//! the collateral service.

#[path = "../../attestation/tests/common/mod.rs"]
mod samples;

use axum::{Router, extract::Request, http::HeaderMap, response::IntoResponse};
use phat_attestation::quote::Collateral;
use std::{
    fs,
    io::Read,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

pub(crate) const SGX_QUOTE: &[u8] = samples::SGX.quote;
pub(crate) const TDX_QUOTE: &[u8] = samples::TDX.quote;
/// 2025-06-20: when the collateral is good.
pub(crate) const GOOD_MS: u64 = 1_750_377_600_000;

/// A quote like a real one with other report data, which nobody has signed.
fn quote_of(sample: &[u8], report_data: &[u8], at: usize) -> Vec<u8> {
    let mut quote = sample.to_vec();
    quote[at..at + 64].copy_from_slice(report_data);
    quote
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Waits for what is written into a pipe.
fn written(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Gramine's folder. It answers so many times.
pub(crate) fn gramine(answers: usize) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("attestation_type"), "dcap").unwrap();
    let (user, quote) = (
        root.path().join("user_report_data"),
        root.path().join("quote"),
    );
    pipe(&user);
    pipe(&quote);
    thread::spawn(move || {
        for _ in 0..answers {
            let report_data = written(&user);
            fs::write(&quote, quote_of(SGX_QUOTE, &report_data, 48 + 320)).unwrap();
        }
    });
    root
}

/// Linux's folder of reports, with our entry. It answers so many times; `next` counts.
pub(crate) fn tsm(answers: u32, next: fn(u64) -> u64) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let entry = root.path().join("phat");
    fs::create_dir(&entry).unwrap();
    fs::write(entry.join("provider"), "tdx_guest\n").unwrap();
    fs::write(entry.join("generation"), "7\n").unwrap();
    pipe(&entry.join("inblob"));
    pipe(&entry.join("outblob"));
    thread::spawn(move || {
        let mut generation = 7;
        for _ in 0..answers {
            let report_data = written(&entry.join("inblob"));
            generation = next(generation);
            fs::write(entry.join("generation"), generation.to_string()).unwrap();
            let quote = quote_of(TDX_QUOTE, &report_data, 48 + 520);
            fs::write(entry.join("outblob"), quote).unwrap();
        }
    });
    root
}

/// The collateral of the sample quotes.
pub(crate) fn collateral(tdx: bool) -> Collateral {
    match tdx {
        true => samples::TDX.collateral(),
        false => samples::SGX.collateral(),
    }
}

/// Text as it stands in a header: everything unusual is escaped.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A caching service on this machine that has the collateral of the samples. Counts what it is asked.
pub(crate) async fn service() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let answer = move |request: Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or(""));
        let tdx = path.starts_with("/tdx/") || query.contains("ca=platform");
        let collateral = collateral(tdx);
        let signed = |name: &str, value: &str, signature: &[u8]| {
            format!(
                r#"{{"{name}":{value},"signature":"{}"}}"#,
                hex::encode(signature)
            )
            .into_bytes()
        };
        let (header, chain, body) = match path.rsplit("/v4/").next().unwrap() {
            "pckcrl" => (
                "SGX-PCK-CRL-Issuer-Chain",
                collateral.pck_crl_issuer_chain,
                collateral.pck_crl,
            ),
            "tcb" => (
                "TCB-Info-Issuer-Chain",
                collateral.tcb_info_issuer_chain,
                signed(
                    "tcbInfo",
                    &collateral.tcb_info,
                    &collateral.tcb_info_signature,
                ),
            ),
            "qe/identity" => (
                "SGX-Enclave-Identity-Issuer-Chain",
                collateral.qe_identity_issuer_chain,
                signed(
                    "enclaveIdentity",
                    &collateral.qe_identity,
                    &collateral.qe_identity_signature,
                ),
            ),
            "rootcacrl" => (
                "x",
                String::new(),
                hex::encode(collateral.root_ca_crl).into(),
            ),
            other => panic!("{other}"),
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            axum::http::HeaderName::try_from(header.to_lowercase()).unwrap(),
            escaped(&chain).parse().unwrap(),
        );
        async move { (headers, body).into_response() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (url, asked)
}
