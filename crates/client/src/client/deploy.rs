//! Deployments: code and contracts, so that all can read them or only the cluster's workers.

use super::{
    Client, ClientError, Deployed, Options,
    commands::{ASSUMED_DEPOSIT, message_of, payable, random, succeeds},
};
use crate::{
    bundle::Bundle,
    chain::Call,
    exec::{ExecResult, Instantiated},
    limits::{RECEIPT_POLL, RECEIPT_TIMEOUT},
    worker::Assumed,
};
use phat_crypto::{
    contexts::{self, Context},
    envelope,
    rand_core::OsRng,
};
use phat_primitives::{
    Balance, CodeHash, ContractId, ids,
    message::ResourceKind,
    private::{
        ARGUMENTS_STEP, CODE_STEP, PrivateInstantiate, PrivateUpload, SealedData, binding, padded,
    },
    receipt::Receipt,
};
use std::time::Instant;

/// Bytes of the cluster's record about a code, for which a deposit is held as for the code.
const CODE_RECORD_LEN: Balance = 63;

impl Client {
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

    /// What the cluster holds for code: its bytes and those of a record about it, in two items.
    fn code_deposit(&self, len: usize) -> Balance {
        self.cluster
            .deposit_per_byte
            .saturating_mul(len as Balance + CODE_RECORD_LEN)
            .saturating_add(self.cluster.deposit_per_item.saturating_mul(2))
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
