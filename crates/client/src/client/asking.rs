//! Asking: contracts, what accounts have in the cluster, logs. Nothing changes by it.

use super::{Answer, Client, ClientError, ClusterBalance, error::would_fail};
use crate::{
    bundle::Interface,
    exec::{ExecResult, Returned},
    logs::Logs,
    worker::{Terms, WorkerError},
};
use codec::{Decode, Encode};
use phat_primitives::{AccountId, Balance, ContractId, query::InkQueryData};
use std::time::Duration;

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

impl Client {
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
}
