//! The relay: it stands between a worker and the chain, and tells the truth or lies.

use jsonrpsee::{
    PendingSubscriptionSink, RpcModule,
    core::{client::ClientT, params::ArrayParams},
    server::{ServerBuilder, ServerConfig, ServerHandle},
    types::ErrorObjectOwned,
    ws_client::{WsClient, WsClientBuilder},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// What a worker asks a chain for.
const METHODS: [&str; 4] = [
    "phat_blocks",
    "state_getReadProof",
    "state_call",
    "author_submitExtrinsic",
];
/// News of blocks.
pub(crate) const NEWS: &str = "phat_subscribeFinalized";

/// What the relay makes of a question and its answer.
#[derive(Clone, Copy)]
pub(crate) enum Lie {
    /// Changes the answer. The arguments are the answer and the first one that was true.
    Answer(fn(&mut Value, &Value)),
    /// Asks the chain something else. The arguments are the parameters and the first ones that there
    /// were.
    Question(fn(&mut Vec<Value>, &[Value])),
    /// Asks nobody and makes up an answer.
    Invention(fn() -> Value),
    /// Does not answer as long as it lies.
    Silence,
}

/// A method with what becomes of it.
pub(crate) type Lied = (&'static str, Lie);

pub(crate) struct Relay {
    chain: WsClient,
    lie: Mutex<Option<Lied>>,
    /// Questions and answers of the past, by method.
    past: Mutex<HashMap<&'static str, (Vec<Value>, Value)>>,
    told: AtomicUsize,
}

impl Relay {
    /// A relay of the chain at this address.
    pub(crate) async fn new(chain: &str) -> Arc<Self> {
        let chain = WsClientBuilder::default().build(chain).await.unwrap();
        Arc::new(Self {
            chain,
            lie: Mutex::default(),
            past: Mutex::default(),
            told: AtomicUsize::default(),
        })
    }

    /// Lies from now on in this way, or tells the truth again.
    pub(crate) fn tell(&self, lie: Option<Lied>) {
        self.told.store(0, Ordering::SeqCst);
        *self.lie.lock().unwrap() = lie;
    }

    /// Waits until it has told its lie so often.
    pub(crate) async fn has_lied(&self, what: &str, often: usize) {
        for _ in 0..1200 {
            if self.told.load(Ordering::SeqCst) >= often {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: nobody has asked");
    }

    fn lie_about(&self, method: &str) -> Option<Lie> {
        let lie = *self.lie.lock().unwrap();
        lie.filter(|(about, _)| *about == method)
            .map(|(_, lie)| lie)
    }

    fn lied(&self) {
        self.told.fetch_add(1, Ordering::SeqCst);
    }

    async fn ask(&self, method: &str, params: &[Value]) -> Result<Value, ErrorObjectOwned> {
        let mut asked = ArrayParams::new();
        for param in params {
            asked.insert(param).unwrap();
        }
        self.chain
            .request(method, asked)
            .await
            .map_err(|error| ErrorObjectOwned::owned(1, error.to_string(), None::<()>))
    }

    async fn answer(
        &self,
        method: &'static str,
        mut params: Vec<Value>,
    ) -> Result<Value, ErrorObjectOwned> {
        let lie = self.lie_about(method);
        let past = self.past.lock().unwrap().get(method).cloned();
        match (lie, &past) {
            (Some(Lie::Question(change)), Some((first, _))) => {
                change(&mut params, first);
                self.lied();
            }
            (Some(Lie::Invention(invent)), _) => {
                self.lied();
                return Ok(invent());
            }
            (Some(Lie::Silence), _) => {
                self.lied();
                while matches!(self.lie_about(method), Some(Lie::Silence)) {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            _ => {}
        }
        let mut answer = self.ask(method, &params).await?;
        // Of blocks that are not there nothing can be said.
        let is_empty = answer["blocks"].as_array().is_some_and(Vec::is_empty);
        match (lie, past) {
            (Some(Lie::Answer(change)), Some((_, truth))) if !is_empty => {
                change(&mut answer, &truth);
                self.lied();
            }
            (None, None) if !is_empty => {
                let mut past = self.past.lock().unwrap();
                past.insert(method, (params, answer.clone()));
            }
            _ => {}
        }
        Ok(answer)
    }

    /// Serves on a free port.
    pub(crate) async fn serve(self: Arc<Self>) -> (String, ServerHandle) {
        let config = ServerConfig::builder().max_response_body_size(u32::MAX);
        let server = ServerBuilder::with_config(config.build())
            .build("127.0.0.1:0")
            .await
            .unwrap();
        let url = format!("ws://{}", server.local_addr().unwrap());
        let mut module = RpcModule::new(self);
        for method in METHODS {
            module
                .register_async_method(method, move |params, relay, _| async move {
                    relay.answer(method, params.parse()?).await
                })
                .unwrap();
        }
        module
            .register_subscription(
                NEWS,
                "phat_finalized",
                "phat_unsubscribeFinalized",
                |_, pending: PendingSubscriptionSink, relay, _| async move {
                    let sink = pending.accept().await?;
                    for number in 0u32.. {
                        let mut news = json!(number);
                        if let Some(Lie::Answer(change)) = relay.lie_about(NEWS) {
                            change(&mut news, &Value::Null);
                            relay.lied();
                        }
                        let message = serde_json::value::to_raw_value(&news)?;
                        if sink.send(message).await.is_err() {
                            break;
                        }
                        sleep(Duration::from_millis(50)).await;
                    }
                    Ok(())
                },
            )
            .unwrap();
        (url, server.start(module))
    }
}

/// Changes one hex digit in the middle of a text.
pub(crate) fn bend(text: &mut Value) {
    let mut digits = text.as_str().unwrap().to_owned().into_bytes();
    let middle = digits.len() / 2;
    digits[middle] = if digits[middle] == b'0' { b'1' } else { b'0' };
    *text = String::from_utf8(digits).unwrap().into();
}
