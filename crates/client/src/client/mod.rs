//! Chain and worker together: deploy a contract, call it, query it.
//!
//! What a command or a deployment costs is found out by a query first, so that one which cannot
//! succeed is not sent. What the account has too little of inside the cluster goes along with the
//! transaction as a deposit.

mod error;

pub use error::{ClientError, FailReason};

use crate::{
    bundle::{Bundle, Function, Interface},
    chain::{Call, ChainClient, ChainError, Cluster, Submitted},
    exec::{ExecResult, Instantiated, Returned},
    keys::Account,
    limits::{RECEIPT_POLL, RECEIPT_TIMEOUT},
    logs::Logs,
    proof::{BadProof, ProvenReceipt},
    transcode::Output,
    worker::{Assumed, Caller, Roots, Signed, Terms, WorkerClient, WorkerError},
};
use codec::{Decode, Encode};
use phat_crypto::{
    Keypair,
    contexts::{self, Context},
    envelope,
    rand_core::{OsRng, RngCore},
};
use phat_primitives::{
    AccountId, Balance, BlockNumber, ClusterId, CodeHash, ContractId, Hash, MessageNumber,
    WorkerId,
    command::{CommandPayload, InkCommand},
    commitment::ProofError,
    ids,
    message::ResourceKind,
    private::{
        ARGUMENTS_STEP, CODE_STEP, PrivateInstantiate, PrivateUpload, SealedData, binding, padded,
    },
    query::{InkQueryData, ReceiptProofResponse, ReceiptResponse},
    receipt::{Failure, Receipt, Success},
};
use std::time::{Duration, Instant};

/// Money that estimates assume the account to have: more than there is (as `@phala/sdk` does), so
/// that a lack of money does not hide what else is wrong.
const ASSUMED_DEPOSIT: Balance = 1_000_000_000_000_000_000_000;
/// How often a worker is asked again that has too little of a credit, and the pause before each time:
/// together somewhat longer than a block.
const CREDIT_TRIES: u32 = 40;
const CREDIT_PAUSE: Duration = Duration::from_millis(250);
/// Selector of `System::total_balance_of(AccountId) -> Balance` of the system contract.
const TOTAL_BALANCE_OF: [u8; 4] = [0x5a, 0x98, 0xf2, 0x26];
/// Selector of `System::free_balance_of(AccountId) -> Balance` of the system contract.
const FREE_BALANCE_OF: [u8; 4] = [0x8a, 0x0d, 0x40, 0xd7];

/// Selector of `System::get_driver(String) -> Option<AccountId>` of the system contract.
const GET_DRIVER: [u8; 4] = [0x27, 0x40, 0xcf, 0x0a];
/// Name of the driver that answers questions about logs.
const LOGGER: &str = "PinkLogger";

/// What the account and a contract it makes have to keep in the cluster to exist: one unit each.
const MINIMUM_BALANCES: Balance = 2;
/// Bytes of the cluster's record about a code, for which a deposit is held as for the code.
const CODE_RECORD_LEN: Balance = 63;

/// An account at work in one cluster.
#[derive(Clone)]
pub struct Client {
    chain: ChainClient,
    worker: WorkerClient,
    cluster: Cluster,
    account: Account,
    caller: Caller,
}

/// What may be chosen for a command or a deployment.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Money that goes to the contract.
    pub transfer: Balance,
    /// Most gas to use; found out if absent.
    pub gas_limit: Option<u64>,
    /// Most storage deposit to pay; unlimited if absent.
    pub storage_deposit_limit: Option<Balance>,
    /// Money to put into the cluster along the way; what is missing if absent.
    pub deposit: Option<Balance>,
    /// Sends the command so that anybody can read it.
    pub plain: bool,
    /// Salt of a deployment; random if absent. In private it should be neither known nor guessable.
    pub salt: Option<Vec<u8>>,
    /// Deploys in private: nobody but the workers of the cluster can read code, arguments and limits.
    pub private: bool,
}

/// The answer to a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What the message returned.
    pub output: Output,
    /// The contract asked for everything to be undone (nothing stays of a query anyway).
    pub reverted: bool,
    /// Gas used.
    pub gas: u64,
    /// Last block of the state that it comes from. A worker that has been put back to an older copy
    /// shows it here.
    pub block: BlockNumber,
    /// Root of that state.
    pub state_root: Hash,
    /// The worker's signature, if it was asked for.
    pub signed: Option<Signed>,
}

/// A command that the workers have applied, successfully or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The receipt.
    pub receipt: Receipt,
    /// What the function returned: its value, or the error for which it undid everything. `None` if
    /// there is nothing, or if the bundle does not describe it.
    pub output: Option<Output>,
}

/// A contract that has been deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// Its id.
    pub contract: ContractId,
    /// How its instantiation ended. The contract exists only if this is a success.
    pub applied: Applied,
    /// The receipt of the upload, if the code was not there yet.
    pub upload: Option<Receipt>,
}

/// Money of an account inside a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterBalance {
    /// All of it.
    pub total: Balance,
    /// What can be spent.
    pub free: Balance,
}

impl Client {
    /// Connects an account to a cluster (the first one if none is named) through one of its workers
    /// (the first that answers at its endpoint if none is named).
    ///
    /// A worker is only accepted if the chain lists its public key in the cluster: then what is
    /// encrypted to it can be read there and nowhere else.
    pub async fn connect(
        chain: ChainClient,
        worker: Option<&str>,
        cluster: Option<ClusterId>,
        account: Account,
    ) -> Result<Self, ClientError> {
        Self::connect_trusting(chain, worker, cluster, account, &Roots::default()).await
    }

    /// As [`Client::connect`], to a worker whose certificate may come from one of `roots`.
    pub async fn connect_trusting(
        chain: ChainClient,
        worker: Option<&str>,
        cluster: Option<ClusterId>,
        account: Account,
        roots: &Roots,
    ) -> Result<Self, ClientError> {
        let clusters = chain.clusters().await?;
        let cluster = clusters
            .into_iter()
            .find(|known| cluster.is_none_or(|id| known.id == id))
            .ok_or(ClientError::NoCluster(cluster))?;
        let members = chain.cluster_workers(cluster.id).await?;
        let worker = match worker {
            Some(url) => {
                let worker = WorkerClient::connect_trusting(url, roots).await?;
                if !members.contains(&worker.id()) {
                    return Err(ClientError::ForeignWorker {
                        url: url.into(),
                        id: worker.id(),
                    });
                }
                worker
            }
            None => first_that_answers(&chain, &members, roots).await?,
        };
        let caller = Caller::new(&account);
        Ok(Self {
            chain,
            worker,
            cluster,
            account,
            caller,
        })
    }

    /// The chain.
    pub fn chain(&self) -> &ChainClient {
        &self.chain
    }

    /// The worker that is asked.
    pub fn worker(&self) -> &WorkerClient {
        &self.worker
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Money of an account inside the cluster.
    pub async fn cluster_balance(
        &self,
        account: &AccountId,
    ) -> Result<ClusterBalance, ClientError> {
        let (total, free) = tokio::try_join!(
            self.system_balance(TOTAL_BALANCE_OF, account),
            self.system_balance(FREE_BALANCE_OF, account),
        )?;
        Ok(ClusterBalance { total, free })
    }

    async fn system_balance(
        &self,
        selector: [u8; 4],
        account: &AccountId,
    ) -> Result<Balance, ClientError> {
        let call = (selector, account).encode();
        let answer = self
            .worker
            .call(&self.caller, self.cluster.system_contract, call)
            .await?;
        let bad = || WorkerError::BadAnswer {
            url: self.worker.url().into(),
            what: "the system contract does not tell balances".into(),
        };
        let returned = answer.result.map_err(|_| bad())?;
        // `Result<Balance, LangError>`; a LangError is one byte.
        let balance = Result::<Balance, u8>::decode(&mut returned.data.as_slice());
        Ok(balance.map_err(|_| bad())?.map_err(|_| bad())?)
    }

    /// Asks a contract. Nothing changes by it.
    pub async fn query(
        &self,
        contract: ContractId,
        interface: &Interface,
        message: &str,
        args: &[impl AsRef<str>],
    ) -> Result<Answer, ClientError> {
        self.ask(contract, interface, message, args, Terms::default())
            .await
    }

    /// Asks a contract on terms: the worker signs its answer, or is paid for it. An answer whose
    /// signature does not hold is an error. If the worker has too little of the credit yet, it is asked
    /// again for some seconds, in which the chain lends it some.
    pub async fn ask(
        &self,
        contract: ContractId,
        interface: &Interface,
        message: &str,
        args: &[impl AsRef<str>],
        terms: Terms,
    ) -> Result<Answer, ClientError> {
        let function = interface.message(message)?;
        let data = InkQueryData::InkMessage {
            payload: interface.encode_call(function, args)?,
            deposit: 0,
            transfer: 0,
            estimating: false,
        };
        let mut tries = 0;
        let told = loop {
            let asked = self.worker.ask(&self.caller, contract, data.clone(), terms);
            match asked.await {
                Err(WorkerError::NoCredit) if tries < CREDIT_TRIES => tries += 1,
                other => break other?,
            }
            tokio::time::sleep(CREDIT_PAUSE).await;
        };
        if let Some(signed) = &told.signed
            && signed.statement.statement.genesis != self.chain.genesis()
        {
            return Err(ClientError::SignedElsewhere);
        }
        let result: ExecResult<Returned> = self.worker.exec_result(&told.bytes)?;
        match result.result {
            Ok(returned) => Ok(Answer {
                output: interface.decode_output(function, &returned.data)?,
                reverted: returned.reverted(),
                gas: result.gas_consumed.ref_time,
                block: told.block,
                state_root: told.state_root,
                signed: told.signed,
            }),
            Err(error) => Err(would_fail(function, error.into(), &result.debug_message)),
        }
    }

    /// Sends a command to a contract and waits until the workers have applied it.
    pub async fn call(
        &self,
        contract: ContractId,
        interface: &Interface,
        message: &str,
        args: &[impl AsRef<str>],
        options: &Options,
    ) -> Result<Applied, ClientError> {
        let function = interface.message(message)?;
        let call = interface.encode_call(function, args)?;
        payable(function, options)?;
        let key = match self.chain.contract_key(contract).await? {
            Some(key) => key,
            None if self.chain.contract(contract).await?.is_some() => {
                return Err(ClientError::NotInstantiated(contract));
            }
            None => return Err(ClientError::NoContract(contract)),
        };
        let assumed = Assumed {
            deposit: ASSUMED_DEPOSIT,
            transfer: options.transfer,
        };
        let estimate = self
            .worker
            .estimate(&self.caller, contract, call.clone(), assumed)
            .await?;
        succeeds(interface, function, &estimate, |returned| returned)?;
        let cost = self.cost(&estimate, options).await?;
        let command = InkCommand::InkMessage {
            nonce: random(32),
            message: call,
            transfer: options.transfer,
            gas_limit: cost.gas_limit,
            storage_deposit_limit: options.storage_deposit_limit,
        };
        let payload = match options.plain {
            true => CommandPayload::Plain(command),
            false => encrypted(&key, &command)?,
        };
        let push = Call::Push {
            contract,
            payload: payload.encode(),
            deposit: cost.deposit,
        };
        let submitted = self.chain.submit(&self.account, push).await?;
        self.applied(submitted, interface, function).await
    }

    /// Adds a contract's code to the cluster. Money for the deposit that the cluster holds for code
    /// is moved there first, if it is missing.
    pub async fn upload(&self, bundle: &Bundle) -> Result<Receipt, ClientError> {
        let code = bundle.code()?.to_vec();
        self.fund(self.missing(self.code_deposit(code.len())).await?)
            .await?;
        let upload = Call::Upload {
            cluster: self.cluster.id,
            code,
        };
        let submitted = self.chain.submit(&self.account, upload).await?;
        self.wait_for_receipt(message_of(&submitted, "cluster_upload_resource")?)
            .await
    }

    /// Adds a contract's code to the cluster so that only its workers can read it: others see its size
    /// in steps of 64 KiB. So do they see what money goes there, which is rounded up for that reason.
    pub async fn upload_private(&self, bundle: &Bundle) -> Result<Receipt, ClientError> {
        let code = bundle.code()?.to_vec();
        let plain = padded(
            &PrivateUpload {
                kind: ResourceKind::InkCode,
                code,
            },
            CODE_STEP,
        );
        let amount = self.missing(self.code_deposit(plain.len())).await?;
        self.fund(self.rounded_up(amount).await?).await?;
        let upload = Call::UploadPrivate {
            cluster: self.cluster.id,
            sealed: self.sealed(contexts::PRIVATE_UPLOAD, &plain).await?,
        };
        let submitted = self.chain.submit(&self.account, upload).await?;
        self.wait_for_receipt(message_of(&submitted, "upload_private")?)
            .await
    }

    /// Moves the account's own money into the cluster.
    async fn fund(&self, amount: Balance) -> Result<(), ClientError> {
        if amount > 0 {
            let fund = Call::TransferToCluster {
                cluster: self.cluster.id,
                to: self.account.id(),
                amount,
            };
            self.chain.submit(&self.account, fund).await?;
        }
        Ok(())
    }

    /// The next power of two, as far as the account's money goes: an exact amount would tell what it
    /// is for.
    async fn rounded_up(&self, amount: Balance) -> Result<Balance, ClientError> {
        if amount == 0 {
            return Ok(0);
        }
        let rounded = amount.checked_next_power_of_two().unwrap_or(amount);
        let available = self.chain.balance(&self.account.id()).await?.free;
        Ok(if rounded <= available {
            rounded
        } else {
            amount
        })
    }

    /// Encrypts something to the workers of the cluster, so that only this account can send it.
    async fn sealed(&self, purpose: Context, plain: &[u8]) -> Result<SealedData, ClientError> {
        let cluster = self.cluster.id;
        let key = self.chain.transport_key(cluster).await?;
        let (epoch, public) = key.ok_or(ClientError::NoClusterKey(cluster))?;
        let binding = binding(&cluster, &self.account.id());
        let data = envelope::seal_data(&public, plain, purpose, &binding, &mut OsRng)?;
        Ok(SealedData { epoch, data })
    }

    /// Makes a contract, with its code if the cluster does not have it yet, and waits until it can be
    /// used.
    pub async fn deploy(
        &self,
        bundle: &Bundle,
        constructor: &str,
        args: &[impl AsRef<str>],
        options: &Options,
    ) -> Result<Deployed, ClientError> {
        let function = bundle.interface.constructor(constructor)?;
        let data = bundle.interface.encode_call(function, args)?;
        payable(function, options)?;
        let salt = options.salt.clone().unwrap_or_else(|| random(32));
        let mut estimate = self
            .estimate_instantiation(bundle.code_hash, &salt, &data, options)
            .await?;
        let mut upload = None;
        if let Err(error) = &estimate.result
            && error.contract_error() == Some("CodeNotFound")
        {
            let receipt = match options.private {
                true => self.upload_private(bundle).await?,
                false => self.upload(bundle).await?,
            };
            upload = Some(receipt);
            estimate = self
                .estimate_instantiation(bundle.code_hash, &salt, &data, options)
                .await?;
        }
        succeeds(&bundle.interface, function, &estimate, |made| &made.result)?;
        let cost = self.cost(&estimate, options).await?;
        let cluster = self.cluster.id;
        let deployer = self.account.id();
        let contract = ids::contract_id(&deployer, &bundle.code_hash, &cluster, &salt);
        let instantiate = if options.private {
            let private = PrivateInstantiate {
                code_hash: bundle.code_hash,
                data,
                salt,
                transfer: options.transfer,
                gas_limit: cost.gas_limit,
                storage_deposit_limit: options.storage_deposit_limit,
            };
            let plain = padded(&private, ARGUMENTS_STEP);
            Call::InstantiatePrivate {
                cluster,
                sealed: self.sealed(contexts::PRIVATE_INSTANTIATE, &plain).await?,
                deposit: match options.deposit {
                    Some(chosen) => chosen,
                    None => self.rounded_up(cost.deposit).await?,
                },
            }
        } else {
            Call::Instantiate {
                cluster,
                code_hash: bundle.code_hash,
                data,
                salt,
                transfer: options.transfer,
                gas_limit: cost.gas_limit,
                storage_deposit_limit: options.storage_deposit_limit,
                deposit: cost.deposit,
            }
        };
        let submitted = self.chain.submit(&self.account, instantiate).await?;
        let applied = self.applied(submitted, &bundle.interface, function).await?;
        if applied.receipt.outcome.is_ok() {
            self.wait_for_key(contract).await?;
        }
        Ok(Deployed {
            contract,
            applied,
            upload,
        })
    }

    /// The receipt of a command of this account; `None` if it has not been applied yet.
    pub async fn receipt(&self, number: MessageNumber) -> Result<Option<Receipt>, ClientError> {
        match self.worker.receipt(&self.caller, number).await? {
            ReceiptResponse::Found(receipt) => Ok(Some(*receipt)),
            ReceiptResponse::Pending => Ok(None),
            ReceiptResponse::Unknown => Err(ClientError::NoReceipt(number)),
        }
    }

    /// Waits for the receipt of a command of this account.
    pub async fn wait_for_receipt(&self, number: MessageNumber) -> Result<Receipt, ClientError> {
        let started = Instant::now();
        loop {
            if let Some(receipt) = self.receipt(number).await? {
                return Ok(receipt);
            }
            if started.elapsed() > RECEIPT_TIMEOUT {
                return Err(ClientError::NotApplied {
                    number,
                    seconds: RECEIPT_TIMEOUT.as_secs(),
                });
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// The receipt of a command of this account with a proof that others can check without asking a
    /// worker. Waits until the command has been applied, and until the workers have agreed on what
    /// their cluster has come to after it.
    pub async fn prove_receipt(&self, number: MessageNumber) -> Result<ProvenReceipt, ClientError> {
        let receipt = self.wait_for_receipt(number).await?;
        let started = Instant::now();
        loop {
            if let Some(proven) = self.try_prove(&receipt).await? {
                return Ok(proven);
            }
            if started.elapsed() > RECEIPT_TIMEOUT {
                return Err(ClientError::NotAgreed {
                    block: receipt.block,
                    seconds: RECEIPT_TIMEOUT.as_secs(),
                });
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// A proof that leads to the first agreement after the receipt, if there is one.
    async fn try_prove(&self, receipt: &Receipt) -> Result<Option<ProvenReceipt>, ClientError> {
        let cluster = self.cluster.id;
        let agreed = self.chain.agreed_blocks(cluster).await?;
        let Some(block) = agreed.into_iter().find(|block| *block >= receipt.block) else {
            return Ok(None);
        };
        let number = receipt.number;
        let asking = self.worker.receipt_proof(&self.caller, number, block);
        let proof = match asking.await? {
            ReceiptProofResponse::Found(proof) => *proof,
            ReceiptProofResponse::Pending => return Ok(None),
            ReceiptProofResponse::Unknown => return Err(ClientError::NoReceipt(number)),
            ReceiptProofResponse::TooFar => return Err(ClientError::ProofTooFar(number)),
        };
        let proven = ProvenReceipt {
            genesis: self.chain.genesis(),
            cluster,
            agreed_block: block,
            proof,
        };
        if proven.proof.receipt != *receipt {
            return Err(ClientError::Unproven(BadProof::Proof(
                ProofError::OtherCommitment,
            )));
        }
        match proven.check(&self.chain).await {
            Ok(_) => Ok(Some(proven)),
            // The oldest agreement was forgotten between two questions: there is a later one.
            Err(BadProof::NotAgreed { .. }) => Ok(None),
            Err(error) => Err(ClientError::Unproven(error)),
        }
    }

    /// What a contract has logged on this worker, from a number on, or if negative so many records
    /// from the end. The worker answers who made the contract, and the cluster's owner; to others the
    /// log is empty. Queries log on the worker that runs them, commands on all.
    pub async fn logs(
        &self,
        contract: ContractId,
        from: i64,
        count: u64,
    ) -> Result<Logs, ClientError> {
        let request = serde_json::json!({
            "action": "GetLog",
            "from": from,
            "count": count,
            "contract": format!("{contract:?}"),
        });
        let data = InkQueryData::SidevmMessage(request.to_string().into_bytes());
        let logger = self.logger().await?;
        let answer = self.worker.query(&self.caller, logger, data).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            let url = self.worker.url().into();
            let what = format!("its log cannot be read: {error}");
            WorkerError::BadAnswer { url, what }.into()
        })
    }

    /// The contract that answers questions about logs.
    async fn logger(&self) -> Result<ContractId, ClientError> {
        let system = self.cluster.system_contract;
        let call = (GET_DRIVER, LOGGER).encode();
        let answer = self.worker.call(&self.caller, system, call).await?;
        // `Result<Option<AccountId>, LangError>`; a LangError is one byte.
        let named = answer.result.ok().and_then(|returned| {
            Result::<Option<[u8; 32]>, u8>::decode(&mut returned.data.as_slice())
                .ok()?
                .ok()?
        });
        Ok(named.map_or(system, ContractId::from))
    }

    /// Moves money out of the cluster to the account on the chain, and waits until it has left. It
    /// arrives when most of the workers have reported it.
    pub async fn transfer_from_cluster(&self, amount: Balance) -> Result<Receipt, ClientError> {
        let call = Call::TransferFromCluster {
            cluster: self.cluster.id,
            amount,
        };
        let submitted = self.chain.submit(&self.account, call).await?;
        self.wait_for_receipt(message_of(&submitted, "transfer_from_cluster")?)
            .await
    }

    async fn estimate_instantiation(
        &self,
        code_hash: CodeHash,
        salt: &[u8],
        data: &[u8],
        options: &Options,
    ) -> Result<ExecResult<Instantiated>, ClientError> {
        let assumed = Assumed {
            deposit: ASSUMED_DEPOSIT,
            transfer: options.transfer,
        };
        let system = self.cluster.system_contract;
        Ok(self
            .worker
            .estimate_instantiation(
                &self.caller,
                system,
                code_hash,
                salt.to_vec(),
                data.to_vec(),
                assumed,
            )
            .await?)
    }

    /// Gas to offer and money to put into the cluster.
    async fn cost<T>(
        &self,
        estimate: &ExecResult<T>,
        options: &Options,
    ) -> Result<Cost, ClientError> {
        // What it does may depend on what happens until it is applied: a quarter more. What is not
        // used is returned.
        let required = estimate.gas_required.ref_time;
        let gas_limit = options
            .gas_limit
            .unwrap_or(required.saturating_add(required / 4));
        if let Some(deposit) = options.deposit {
            return Ok(Cost { gas_limit, deposit });
        }
        let fee = Balance::from(gas_limit).saturating_mul(self.cluster.gas_price);
        let needed = fee
            .saturating_add(estimate.storage_deposit.charge())
            .saturating_add(options.transfer);
        let deposit = self.missing(needed).await?;
        Ok(Cost { gas_limit, deposit })
    }

    /// What the cluster holds for code: its bytes and those of a record about it, in two items.
    fn code_deposit(&self, len: usize) -> Balance {
        self.cluster
            .deposit_per_byte
            .saturating_mul(len as Balance + CODE_RECORD_LEN)
            .saturating_add(self.cluster.deposit_per_item.saturating_mul(2))
    }

    /// What has to go into the cluster so that the account can spend this much there.
    async fn missing(&self, needed: Balance) -> Result<Balance, ClientError> {
        let account = self.account.id();
        let here = self.cluster_balance(&account).await?.free;
        let needed = needed.saturating_add(MINIMUM_BALANCES).saturating_sub(here);
        if needed == 0 {
            return Ok(0);
        }
        let available = self.chain.balance(&account).await?.free;
        if available < needed {
            return Err(ClientError::Poor { needed, available });
        }
        Ok(needed)
    }

    async fn applied(
        &self,
        submitted: Submitted,
        interface: &Interface,
        function: &Function,
    ) -> Result<Applied, ClientError> {
        let receipt = self
            .wait_for_receipt(message_of(&submitted, &function.label)?)
            .await?;
        Ok(Applied {
            output: output(interface, function, &receipt),
            receipt,
        })
    }

    /// Waits until the chain has the contract's key, without which nobody can send it a command.
    async fn wait_for_key(&self, contract: ContractId) -> Result<(), ClientError> {
        let started = Instant::now();
        while self.chain.contract_key(contract).await?.is_none() {
            if started.elapsed() > RECEIPT_TIMEOUT {
                return Err(ClientError::NotInstantiated(contract));
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
        Ok(())
    }
}

struct Cost {
    gas_limit: u64,
    deposit: Balance,
}

/// Reads what a receipt says that the function returned.
pub fn output(interface: &Interface, function: &Function, receipt: &Receipt) -> Option<Output> {
    let bytes = match &receipt.outcome {
        Ok(Success::Called(bytes) | Success::Instantiated(_, bytes)) => bytes,
        Err(Failure::Reverted(bytes)) => bytes,
        _ => return None,
    };
    interface.decode_output(function, bytes).ok()
}

/// The first worker of the cluster that answers at one of its endpoints on the chain.
async fn first_that_answers(
    chain: &ChainClient,
    members: &[WorkerId],
    roots: &Roots,
) -> Result<WorkerClient, ClientError> {
    let mut errors = Vec::new();
    for id in members {
        for url in chain.endpoints(*id).await? {
            match WorkerClient::connect_trusting(&url, roots).await {
                Ok(worker) if worker.id() == *id => return Ok(worker),
                Ok(worker) => errors.push(WorkerError::BadAnswer {
                    what: format!("it is {} instead of {id}", worker.id()),
                    url,
                }),
                Err(error) => errors.push(error),
            }
        }
    }
    Err(ClientError::NoWorker(errors))
}

fn payable(function: &Function, options: &Options) -> Result<(), ClientError> {
    match options.transfer {
        0 => Ok(()),
        _ if function.payable => Ok(()),
        _ => Err(ClientError::NotPayable(function.label.clone())),
    }
}

/// An error if the estimate says that the function fails.
fn succeeds<T>(
    interface: &Interface,
    function: &Function,
    estimate: &ExecResult<T>,
    returned: impl Fn(&T) -> &Returned,
) -> Result<(), ClientError> {
    let reason = match &estimate.result {
        Err(error) => (*error).into(),
        Ok(result) if returned(result).reverted() => {
            let data = &returned(result).data;
            match interface.decode_output(function, data) {
                Ok(output) => FailReason::Returned(output.readable().clone()),
                Err(_) => FailReason::Reverted(data.clone()),
            }
        }
        Ok(_) => return Ok(()),
    };
    Err(would_fail(function, reason, &estimate.debug_message))
}

fn would_fail(function: &Function, reason: FailReason, debug: &[u8]) -> ClientError {
    ClientError::WouldFail {
        function: function.label.clone(),
        reason,
        debug: String::from_utf8_lossy(debug).into_owned(),
    }
}

fn message_of(submitted: &Submitted, call: &str) -> Result<MessageNumber, ClientError> {
    submitted.message.ok_or_else(|| {
        ChainError::NoEvent {
            call: call.to_string(),
            event: "MessageQueued",
        }
        .into()
    })
}

/// The command so that only the contract's cluster can read it.
fn encrypted(contract_key: &[u8; 32], command: &InkCommand) -> Result<CommandPayload, ClientError> {
    let one_time = Keypair::generate(&mut OsRng);
    let shared = one_time
        .agree(contract_key)
        .map_err(envelope::EnvelopeError::from)?;
    let data = envelope::encrypt(&shared, one_time.public(), &command.encode(), &mut OsRng)?;
    Ok(CommandPayload::Encrypted(data))
}

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
