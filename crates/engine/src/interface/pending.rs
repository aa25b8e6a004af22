//! What a host function waits for, and what it does afterwards.

use std::sync::Arc;

use codec::Encode;

use super::{
    abi::{Context, NONE},
    costs,
};
use crate::{
    engine::Code,
    error::Failure,
    exec::{self, Exit, Guest, code},
    host::HttpAnswers,
    pink::{self, HttpRequest, JsCode, JsValue},
    schema::ContractId,
    session::{ExecError, ExecResult},
};

/// Where the contract wants the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(super) pointer: u32,
    pub(super) length_pointer: u32,
}

/// What a host function waits for.
pub(crate) enum Pending {
    /// A frame that was pushed, or could not be.
    Frame {
        code: Result<Arc<Code>, Failure>,
        input: Vec<u8>,
        after: After,
    },
    /// The host.
    Host(HostCall, Output),
    /// Nothing: an answer of the extension.
    Nothing(pink::Answer, Output),
}

/// What to do once a called frame ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Call {
        tail: bool,
        output: Output,
    },
    Instantiate {
        address: Option<ContractId>,
        address_output: Output,
        output: Output,
    },
}

/// A question to the host that takes time.
#[derive(Debug)]
pub(crate) enum HostCall {
    Http {
        requests: Vec<HttpRequest>,
        timeout_ms: u64,
        /// Asked by the function for one request, which answers in another form.
        single: bool,
    },
    JsEval {
        codes: Vec<JsCode>,
        args: Vec<String>,
    },
}

/// The host's answer to a [`HostCall`].
#[derive(Debug)]
pub(crate) enum HostReply {
    Http { answers: HttpAnswers, single: bool },
    JsEval(JsValue),
}

/// What a host function waited for.
pub(crate) enum Ready {
    Frame { result: ExecResult, after: After },
    Extension(Result<pink::Answer, Exit>, Output),
}

impl Pending {
    pub(crate) async fn wait(self, guest: &mut Guest) -> Ready {
        match self {
            Self::Frame {
                code: Err(failure),
                after,
                ..
            } => Ready::Frame {
                result: Err(ExecError::from(failure)),
                after,
            },
            Self::Frame {
                code: Ok(code),
                input,
                after,
            } => {
                let session = guest.lend_session();
                let (session, result) = exec::run(session, &code, input).await;
                guest.return_session(session);
                Ready::Frame { result, after }
            }
            Self::Host(call, output) => {
                let host = guest.session().host.clone();
                let contract = guest.session().frame().account;
                let reply = match call {
                    HostCall::Http {
                        requests,
                        timeout_ms,
                        single,
                    } => HostReply::Http {
                        answers: host.http(&contract, requests, timeout_ms).await,
                        single,
                    },
                    HostCall::JsEval { codes, args } => {
                        HostReply::JsEval(host.js_eval(&contract, codes, args).await)
                    }
                };
                Ready::Extension(pink::answer_of(reply), output)
            }
            Self::Nothing(answer, output) => Ready::Extension(Ok(answer), output),
        }
    }
}

impl Ready {
    pub(crate) fn finish(self, context: &mut Context<'_>) -> Result<u32, Exit> {
        match self {
            Self::Frame { result, after } => finish_frame(context, result, after),
            Self::Extension(answer, output) => {
                let answer = answer?;
                context.charge_bytes(costs::COPY_OUT, answer.output.len())?;
                context.write_output(output.pointer, output.length_pointer, &answer.output)?;
                Ok(answer.status)
            }
        }
    }
}

fn finish_frame(context: &mut Context<'_>, result: ExecResult, after: After) -> Result<u32, Exit> {
    // Whether the callee may re-enter is decided for each call.
    context.session_mut().frame_mut().allows_reentry = true;
    let output = match after {
        After::Call { tail, output } => {
            if tail && let Ok(returned) = result {
                return Err(Exit::Return {
                    flags: returned.flags,
                    data: returned.data,
                });
            }
            output
        }
        After::Instantiate {
            address,
            address_output,
            output,
        } => {
            if let (Ok(returned), Some(address)) = (&result, address)
                && !returned.did_revert()
                && address_output.pointer != NONE
            {
                context.write_output(
                    address_output.pointer,
                    address_output.length_pointer,
                    &address.encode(),
                )?;
            }
            output
        }
    };
    if let Ok(returned) = &result {
        context.write_optional(
            costs::COPY_OUT,
            output.pointer,
            output.length_pointer,
            &returned.data,
        )?;
    }
    match (exec::return_code(&result), result) {
        (Some(code), _) => Ok(code),
        (None, Err(error)) => Err(Exit::Failed(error.failure)),
        (None, Ok(_)) => Ok(code::SUCCESS),
    }
}
