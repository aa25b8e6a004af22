//! `system_*`, `payment_*`: the chain's name and properties, accounts' nonces, fees.

use codec::Encode;
use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use polkadot_sdk::*;
use serde_json::{Value, json};

use pallet_transaction_payment::{FeeDetails, RuntimeDispatchInfo};
use sp_core::Bytes;
use sp_core::crypto::Ss58Codec;

use phat_runtime::{
    AccountId, Balance, Executive, Hash, Nonce, Ss58Prefix, System as SystemPallet,
    TransactionPayment, UncheckedExtrinsic,
};

use super::error::{done, invalid};
use super::{Api, hex};
use crate::service::{self, AtError, Service, SubmitError};

/// The chain's name and properties, accounts' nonces, fees.
#[rpc(server)]
pub(super) trait System {
    #[method(name = "system_name")]
    fn name(&self) -> RpcResult<String>;

    #[method(name = "system_version")]
    fn version(&self) -> RpcResult<String>;

    #[method(name = "system_chain")]
    fn chain(&self) -> RpcResult<String>;

    #[method(name = "system_chainType")]
    fn chain_type(&self) -> RpcResult<String>;

    #[method(name = "system_properties")]
    fn properties(&self) -> RpcResult<Value>;

    #[method(name = "system_health")]
    fn health(&self) -> RpcResult<Value>;

    #[method(name = "system_peers")]
    fn peers(&self) -> RpcResult<Vec<Value>>;

    #[method(name = "system_nodeRoles")]
    fn node_roles(&self) -> RpcResult<Vec<String>>;

    #[method(name = "system_localPeerId")]
    fn local_peer_id(&self) -> RpcResult<String>;

    /// The nonce of the account's next transaction, after those that wait.
    #[method(name = "system_accountNextIndex", aliases = ["account_nextIndex"])]
    async fn next_nonce(&self, account: String) -> RpcResult<Nonce>;

    /// SCALE of what would come of the transaction in the block after `at`.
    #[method(name = "system_dryRun", aliases = ["system_dryRunAt"])]
    async fn dry_run(&self, extrinsic: Bytes, at: Option<Hash>) -> RpcResult<Bytes>;

    #[method(name = "payment_queryInfo")]
    async fn fee(
        &self,
        extrinsic: Bytes,
        at: Option<Hash>,
    ) -> RpcResult<RuntimeDispatchInfo<Balance>>;

    #[method(name = "payment_queryFeeDetails")]
    async fn fee_details(&self, extrinsic: Bytes, at: Option<Hash>) -> RpcResult<Value>;

    #[method(name = "chainSpec_v1_chainName")]
    fn spec_chain_name(&self) -> RpcResult<String>;

    #[method(name = "chainSpec_v1_genesisHash")]
    fn spec_genesis_hash(&self) -> RpcResult<Hash>;

    #[method(name = "chainSpec_v1_properties")]
    fn spec_properties(&self) -> RpcResult<Value>;
}

#[async_trait]
impl SystemServer for Api {
    fn name(&self) -> RpcResult<String> {
        Ok("phat-solo".to_owned())
    }

    fn version(&self) -> RpcResult<String> {
        Ok(env!("CARGO_PKG_VERSION").to_owned())
    }

    fn chain(&self) -> RpcResult<String> {
        Ok(self.0.chain_name.clone())
    }

    fn chain_type(&self) -> RpcResult<String> {
        Ok("Development".to_owned())
    }

    fn properties(&self) -> RpcResult<Value> {
        Ok(json!({
            "ss58Format": Ss58Prefix::get(),
            "tokenDecimals": 12,
            "tokenSymbol": "PHA",
        }))
    }

    fn health(&self) -> RpcResult<Value> {
        Ok(json!({ "peers": 0, "isSyncing": false, "shouldHavePeers": false }))
    }

    fn peers(&self) -> RpcResult<Vec<Value>> {
        Ok(Vec::new())
    }

    fn node_roles(&self) -> RpcResult<Vec<String>> {
        Ok(vec!["Authority".to_owned()])
    }

    fn local_peer_id(&self) -> RpcResult<String> {
        // There is no network; clients expect a string.
        Ok(String::new())
    }

    async fn next_nonce(&self, account: String) -> RpcResult<Nonce> {
        let account = AccountId::from_ss58check(&account)
            .map_err(|error| invalid(format!("\"{account}\" is not an address: {error}")))?;
        done(self.0.offload(move |s| next_nonce(s, &account)).await)
    }

    async fn dry_run(&self, extrinsic: Bytes, at: Option<Hash>) -> RpcResult<Bytes> {
        let extrinsic = service::decode(&extrinsic.0)?;
        done(self.0.offload(move |s| dry_run(s, extrinsic, at)).await).map(hex)
    }

    async fn fee(
        &self,
        extrinsic: Bytes,
        at: Option<Hash>,
    ) -> RpcResult<RuntimeDispatchInfo<Balance>> {
        let (extrinsic, length) = with_length(&extrinsic.0)?;
        let info = move || TransactionPayment::query_info(extrinsic, length);
        done(self.0.offload(move |s| inspect(s, at, info)).await)
    }

    async fn fee_details(&self, extrinsic: Bytes, at: Option<Hash>) -> RpcResult<Value> {
        let (extrinsic, length) = with_length(&extrinsic.0)?;
        let details = move || TransactionPayment::query_fee_details(extrinsic, length);
        let details: FeeDetails<Balance> =
            done(self.0.offload(move |s| inspect(s, at, details)).await)?;
        // Balances do not fit into the numbers of JavaScript.
        let hex = |balance: Balance| format!("{balance:#x}");
        Ok(json!({
            "inclusionFee": details.inclusion_fee.map(|fee| json!({
                "baseFee": hex(fee.base_fee),
                "lenFee": hex(fee.len_fee),
                "adjustedWeightFee": hex(fee.adjusted_weight_fee),
            })),
        }))
    }

    fn spec_chain_name(&self) -> RpcResult<String> {
        self.chain()
    }

    fn spec_genesis_hash(&self) -> RpcResult<Hash> {
        Ok(self.0.genesis_hash)
    }

    fn spec_properties(&self) -> RpcResult<Value> {
        self.properties()
    }
}

fn with_length(bytes: &[u8]) -> Result<(UncheckedExtrinsic, u32), SubmitError> {
    let extrinsic = service::decode(bytes)?;
    // Shorter than any limit on requests.
    Ok((extrinsic, bytes.len().try_into().unwrap_or(u32::MAX)))
}

fn inspect<R>(
    service: &Service,
    at: Option<Hash>,
    question: impl FnOnce() -> R,
) -> Result<R, AtError> {
    Ok(service.state_at(at)?.inspect(question)?)
}

fn next_nonce(service: &Service, account: &AccountId) -> Result<Nonce, AtError> {
    let mut nonce = inspect(service, None, || SystemPallet::account_nonce(account))?;
    // The tag that `CheckNonce` says a transaction provides.
    while service.provides(&(account, nonce).encode()) {
        nonce = nonce.saturating_add(1);
    }
    Ok(nonce)
}

fn dry_run(
    service: &Service,
    extrinsic: UncheckedExtrinsic,
    at: Option<Hash>,
) -> Result<Vec<u8>, AtError> {
    let number = service.number_at(at)?;
    let Some(mut next) = service.store.header(number)? else {
        return Err(AtError::UnknownBlock(at.unwrap_or_default()));
    };
    let state = service.store.state(number)?;
    let mut block = state.execute();
    // The block after it, in the same slot.
    next.parent_hash = next.hash();
    next.number = number.saturating_add(1);
    next.digest
        .logs
        .retain(|log| log.as_pre_runtime().is_some());
    block.run(|| Executive::initialize_block(&next))?;
    Ok(block.run(|| Executive::apply_extrinsic(extrinsic).encode())?)
}
