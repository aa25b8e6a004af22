//! What a collateral service answers, and what is left of it on the disk, made of bytes. The test beside
//! this file runs the target on random bytes, libFuzzer (`fuzz` at the root) on bytes that find new
//! paths.

#[path = "../../../attestation/tests/common/mod.rs"]
mod known;

use codec::Decode;
use known::{SGX, TDX};
use phat_attestation::quote::{Collateral, appraise};
use phat_fuzzing::{Input, json::place};
use phat_worker::collateral::Pccs;
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::LocalSet,
};

/// 2025-06-20, when the collateral of the samples is good.
const GOOD_MS: u64 = 1_750_377_600_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// A quote, and what Intel has said about the machine that it is from.
struct Sample {
    quote: &'static [u8],
    collateral: Collateral,
}

/// What the service is asked for: a part of the path, the header that holds the certificates, and the
/// field that is signed.
const METHODS: [(&str, &str, &str); 4] = [
    ("/pckcrl", "sgx-pck-crl-issuer-chain", ""),
    ("/rootcacrl", "", ""),
    ("/tcb", "tcb-info-issuer-chain", "tcbInfo"),
    (
        "/qe/identity",
        "sgx-enclave-identity-issuer-chain",
        "enclaveIdentity",
    ),
];

/// The bytes that the service sends, in the order of [`METHODS`].
type Answers = [Vec<u8>; METHODS.len()];

/// A service on this machine, and a folder for what comes from it.
struct Service {
    runtime: Runtime,
    tasks: LocalSet,
    answers: Rc<RefCell<Answers>>,
    pccs: Pccs,
    folder: tempfile::TempDir,
    samples: [Sample; 2],
    /// What is kept of the collateral of each sample.
    kept: Vec<(PathBuf, Vec<u8>)>,
}

thread_local! {
    static SERVICE: Service = Service::start();
}

impl Service {
    fn start() -> Self {
        let samples = [SGX, TDX].map(|known| Sample {
            quote: known.quote,
            collateral: known.collateral(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let tasks = LocalSet::new();
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listener).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Rc::new(RefCell::new(Answers::default()));
        tasks.spawn_local(serve(listener, answers.clone()));
        let folder = tempfile::tempdir().unwrap();
        let mut service = Self {
            runtime,
            tasks,
            answers,
            pccs: Pccs::new(&url, folder.path().to_owned()).unwrap(),
            folder,
            kept: Vec::new(),
            samples,
        };
        for sample in &service.samples {
            let answers = [0, 1, 2, 3].map(|method| good(&sample.collateral, method));
            service.answers.replace(answers.map(Good::response));
            let fetched = service.collateral(sample.quote, GOOD_MS);
            assert_eq!(fetched.as_ref(), Some(&sample.collateral));
            let [path] = &files(service.folder.path())[..] else {
                panic!("one file is kept");
            };
            service.kept.push((path.clone(), fs::read(path).unwrap()));
            fs::remove_file(path).unwrap();
        }
        service
    }

    fn collateral(&self, quote: &[u8], now_ms: u64) -> Option<Collateral> {
        let fetching = self.pccs.collateral(quote, now_ms);
        self.tasks.block_on(&self.runtime, fetching).ok()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Answers each connection by what it asks for, and closes it.
async fn serve(listener: TcpListener, answers: Rc<RefCell<Answers>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let answers = answers.borrow().clone();
        // The other side may be gone.
        let _ = answer(&mut stream, &answers).await;
    }
}

async fn answer(stream: &mut TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let asked = METHODS
        .iter()
        .position(|(path, ..)| request.lines().next().unwrap_or("").contains(path));
    stream.write_all(&answers[asked.unwrap_or(0)]).await?;
    stream.shutdown().await
}

/// An answer before it is bytes.
struct Good {
    header: String,
    chain: String,
    body: Vec<u8>,
}

fn good(collateral: &Collateral, method: usize) -> Good {
    let (_, header, field) = METHODS[method];
    let signed = |value: &str, signature: &[u8]| {
        let signature = hex::encode(signature);
        format!(r#"{{"{field}":{value},"signature":"{signature}"}}"#).into_bytes()
    };
    let Collateral {
        tcb_info,
        tcb_info_signature,
        qe_identity,
        qe_identity_signature,
        ..
    } = collateral;
    let (chain, body) = match method {
        0 => (&collateral.pck_crl_issuer_chain, collateral.pck_crl.clone()),
        1 => (&String::new(), hex::encode(&collateral.root_ca_crl).into()),
        2 => (
            &collateral.tcb_info_issuer_chain,
            signed(tcb_info, tcb_info_signature),
        ),
        _ => (
            &collateral.qe_identity_issuer_chain,
            signed(qe_identity, qe_identity_signature),
        ),
    };
    let mut escaped = String::new();
    for byte in chain.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => escaped.push(char::from(byte)),
            _ => write!(escaped, "%{byte:02x}").unwrap(),
        }
    }
    Good {
        header: header.to_owned(),
        chain: escaped,
        body,
    }
}

impl Good {
    fn response(self) -> Vec<u8> {
        let Self {
            header,
            chain,
            body,
        } = self;
        let chain = match header.is_empty() {
            true => String::new(),
            false => format!("{header}: {chain}\r\n"),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\n{chain}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        [head.into_bytes(), body].concat()
    }
}

/// An answer that is good, or changed somewhere: in the certificates, in the text or the structure of
/// its body, or in the bytes of all of it.
fn any_answer(input: &mut Input<'_>, collateral: &Collateral, method: usize) -> Vec<u8> {
    let mut answer = good(collateral, method);
    match input.byte() % 16 {
        0 => input.bend_often(&mut answer.body, 2),
        1 => {
            let mut chain = answer.chain.into_bytes();
            input.bend(&mut chain);
            chain.retain(|byte| (b' '..127).contains(byte));
            answer.chain = String::from_utf8(chain).unwrap();
        }
        2 => {
            if let Ok(mut json) = serde_json::from_slice::<Value>(&answer.body) {
                let other = match input.byte() % 4 {
                    0 => Value::Null,
                    1 => json!(String::from_utf8_lossy(input.bytes(20))),
                    2 => json!([json]),
                    _ => place(input, &mut json.clone(), 6).take(),
                };
                *place(input, &mut json, 6) = other;
                answer.body = json.to_string().into_bytes();
            }
        }
        3 => {
            let mut response = answer.response();
            input.bend_often(&mut response, 2);
            return response;
        }
        4 => {
            // Near the beginning, where a place at random seldom is.
            let mut response = answer.response();
            let mut head = response.drain(..response.len().min(60)).collect();
            input.bend(&mut head);
            return [head, response].concat();
        }
        _ => {}
    }
    answer.response()
}

/// Asks for collateral while the service, or the file that is kept of an earlier answer, is not as it
/// should be. What is given is good for the quote, and says word for word what Intel has signed.
/// Answers whether anything is.
pub(crate) fn collateral(data: &[u8]) -> bool {
    SERVICE.with(|service| {
        let mut input = Input::new(data);
        for path in files(service.folder.path()) {
            fs::remove_file(path).unwrap();
        }
        let asked = input.below(2);
        let Sample { quote, .. } = service.samples[asked];
        if input.one_in(2) {
            let of = if input.one_in(4) { 1 - asked } else { asked };
            let mut kept = service.kept[of].1.clone();
            if !input.one_in(3) {
                input.bend_often(&mut kept, 2);
            }
            fs::write(&service.kept[asked].0, kept).unwrap();
        }
        let answers = [0, 1, 2, 3].map(|method| {
            let of = if input.one_in(16) { 1 - asked } else { asked };
            any_answer(&mut input, &service.samples[of].collateral, method)
        });
        service.answers.replace(answers);
        let now_ms = match input.byte() % 8 {
            0 => GOOD_MS + 1000 * DAY_MS,
            1 => GOOD_MS + DAY_MS,
            _ => GOOD_MS,
        };
        let Some(given) = service.collateral(quote, now_ms) else {
            return false;
        };
        appraise(quote, &given, now_ms).unwrap();
        let good = &service.samples[asked].collateral;
        assert_eq!(given.tcb_info, good.tcb_info);
        assert_eq!(given.qe_identity, good.qe_identity);
        // What is kept is what was given, for the next time.
        let kept = fs::read(&service.kept[asked].0).unwrap();
        let (_, kept) = <(u64, Collateral)>::decode(&mut &kept[..]).unwrap();
        assert_eq!(kept, given);
        true
    })
}
