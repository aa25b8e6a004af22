//! Transactions: the calls that this SDK sends, and what becomes of them.

use super::{
    CLUSTERS, ChainClient, ChainError, MESSAGES, Permission, REGISTRY, describe,
    economy::EconomyCall, policy::TOKENOMIC,
};
use crate::keys::Account;
use codec::Encode;
use phat_primitives::{
    AccountId, Balance, ClusterId, CodeHash, ContractId, Hash, MessageNumber, WorkerId,
    command::EncryptedData, policy::Policy, private::SealedData,
};
use subxt::{
    dynamic::{self, Value},
    error::{BackendError, DispatchError, ExtrinsicError, RpcError, TransactionEventsError},
    ext::{
        scale_decode::{self, DecodeAsType},
        scale_encode::{self, EncodeAsFields, EncodeAsType, FieldIter},
        scale_type_resolver::TypeResolver,
    },
    transactions::TransactionStatus,
    utils::{AccountId32, MultiAddress},
};

/// A call that can be sent as a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// Adds a contract's code to a cluster.
    Upload {
        /// The cluster.
        cluster: ClusterId,
        /// The Wasm.
        code: Vec<u8>,
    },
    /// Makes a contract.
    Instantiate {
        /// The cluster.
        cluster: ClusterId,
        /// Code that the cluster has.
        code_hash: CodeHash,
        /// Selector and arguments of the constructor.
        data: Vec<u8>,
        /// Makes the contract's id unique.
        salt: Vec<u8>,
        /// Money that goes to the new contract.
        transfer: Balance,
        /// Most gas to use.
        gas_limit: u64,
        /// Most storage deposit to pay.
        storage_deposit_limit: Option<Balance>,
        /// Money that goes into the cluster first, to the sender's account there.
        deposit: Balance,
    },
    /// Calls a contract.
    Push {
        /// The contract.
        contract: ContractId,
        /// A SCALE-encoded [`phat_primitives::command::CommandPayload`].
        payload: Vec<u8>,
        /// Money that goes into the cluster first, to the sender's account there.
        deposit: Balance,
    },
    /// Registers a worker that the sender operates, or renews its evidence.
    RegisterWorker {
        /// The SCALE-encoded evidence, as the worker made it.
        evidence: Vec<u8>,
        /// Where the worker can be reached.
        endpoints: Vec<String>,
    },
    /// Says where a worker that the sender operates can be reached now.
    UpdateEndpoints {
        /// The worker.
        worker: WorkerId,
        /// Where it can be reached.
        endpoints: Vec<String>,
    },
    /// Assigns a worker to a cluster. The sender operates the one and owns the other.
    AddWorker {
        /// The worker.
        worker: WorkerId,
        /// The cluster.
        cluster: ClusterId,
    },
    /// Takes a worker out of a cluster that the sender owns.
    RemoveWorker {
        /// The worker.
        worker: WorkerId,
        /// The cluster.
        cluster: ClusterId,
    },
    /// Moves money on the chain.
    Transfer {
        /// Who gets it.
        to: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Moves money into a cluster.
    TransferToCluster {
        /// The cluster.
        cluster: ClusterId,
        /// Who gets it there.
        to: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Moves money out of a cluster, to the sender's account on the chain.
    TransferFromCluster {
        /// The cluster.
        cluster: ClusterId,
        /// How much.
        amount: Balance,
    },
    /// Adds a contract's code to a cluster; only its workers can read it.
    UploadPrivate {
        /// The cluster.
        cluster: ClusterId,
        /// A sealed [`PrivateUpload`](phat_primitives::private::PrivateUpload).
        sealed: SealedData,
    },
    /// Makes a contract; only the cluster's workers can read of what.
    InstantiatePrivate {
        /// The cluster.
        cluster: ClusterId,
        /// A sealed [`PrivateInstantiate`](phat_primitives::private::PrivateInstantiate).
        sealed: SealedData,
        /// Money that goes into the cluster first, to the sender's account there.
        deposit: Balance,
    },
    /// Lets a worker that has diverged be in a cluster again. Sent by its operator.
    ReadmitWorker {
        /// The worker.
        worker: WorkerId,
    },
    /// Sets what the sender has staked on a contract; 0 takes all of it back.
    AdjustStake {
        /// The contract.
        contract: ContractId,
        /// The whole stake, not what is added.
        amount: Balance,
    },
    /// Sets the policy of a cluster that the sender owns.
    SetPolicy {
        /// The cluster.
        cluster: ClusterId,
        /// Who may deploy.
        permission: Permission,
        /// All else.
        policy: Box<Policy>,
    },
    /// Pays in advance for queries of the sender, in a cluster that weighs them by that.
    PrepayCredit {
        /// The cluster.
        cluster: ClusterId,
        /// How much.
        amount: Balance,
        /// Most of the credit that one worker may have unspent.
        slice: Balance,
    },
    /// Wants the sender's credit back.
    WithdrawCredit {
        /// The cluster.
        cluster: ClusterId,
    },
    /// Creates a cluster that the sender owns.
    CreateCluster {
        /// Who may deploy.
        permission: Permission,
        /// Its workers, which the sender operates; none while eras run.
        workers: Vec<WorkerId>,
        /// Price of one unit of gas.
        gas_price: Balance,
        /// Deposit per storage item.
        deposit_per_item: Balance,
        /// Deposit per byte of storage.
        deposit_per_byte: Balance,
        /// Gets the fees for gas, in the cluster.
        treasury: AccountId,
    },
    /// Calls of the economy, carried out together or not at all.
    Economy(Vec<EconomyCall>),
    /// Calls of the economy by governance, together or not at all. The sender holds the key of sudo.
    Govern(Vec<EconomyCall>),
}

/// A transaction that is in a block and has succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// Number of the block.
    pub block: u64,
    /// Hash of the block.
    pub block_hash: Hash,
    /// Number of the message that it sent to the workers, if it sent one: the receipt has it, too.
    pub message: Option<MessageNumber>,
    /// The contract whose instantiation it ordered, if it did.
    pub contract: Option<ContractId>,
    /// The cluster that it created, if it did.
    pub cluster: Option<ClusterId>,
}

impl Call {
    /// Name of the pallet and of the call.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Upload { .. } => (CLUSTERS, "cluster_upload_resource"),
            Self::Instantiate { .. } => (CLUSTERS, "instantiate_contract"),
            Self::Push { .. } => (CLUSTERS, "push_contract_message"),
            Self::RegisterWorker { .. } => (REGISTRY, "register_worker"),
            Self::UpdateEndpoints { .. } => (REGISTRY, "update_endpoints"),
            Self::AddWorker { .. } => (CLUSTERS, "add_worker_to_cluster"),
            Self::RemoveWorker { .. } => (CLUSTERS, "remove_worker_from_cluster"),
            Self::Transfer { .. } => ("Balances", "transfer_allow_death"),
            Self::TransferToCluster { .. } => (CLUSTERS, "transfer_to_cluster"),
            Self::TransferFromCluster { .. } => (CLUSTERS, "transfer_from_cluster"),
            Self::UploadPrivate { .. } => (CLUSTERS, "upload_private"),
            Self::InstantiatePrivate { .. } => (CLUSTERS, "instantiate_private"),
            Self::ReadmitWorker { .. } => (CLUSTERS, "readmit_worker"),
            Self::AdjustStake { .. } => (TOKENOMIC, "adjust_stake"),
            Self::SetPolicy { .. } => (CLUSTERS, "set_policy"),
            Self::PrepayCredit { .. } => (CLUSTERS, "prepay_credit"),
            Self::WithdrawCredit { .. } => (CLUSTERS, "withdraw_credit"),
            Self::CreateCluster { .. } => (CLUSTERS, "add_cluster"),
            Self::Economy(calls) => EconomyCall::carrier(calls, false),
            Self::Govern(calls) => EconomyCall::carrier(calls, true),
        }
    }
}

/// [`SealedData`], to be encoded by the chain's metadata.
#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "scale_encode")]
struct SealedValue<'a> {
    epoch: u32,
    data: EncryptedValue<'a>,
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "scale_encode")]
struct EncryptedValue<'a> {
    iv: [u8; 12],
    pubkey: [u8; 32],
    data: &'a [u8],
}

impl<'a> From<&'a SealedData> for SealedValue<'a> {
    fn from(sealed: &'a SealedData) -> Self {
        let EncryptedData { iv, pubkey, data } = &sealed.data;
        Self {
            epoch: sealed.epoch,
            data: EncryptedValue {
                iv: *iv,
                pubkey: *pubkey,
                data,
            },
        }
    }
}

/// The arguments in the order of the chain's metadata, by which they are encoded.
impl EncodeAsFields for Call {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        fields: &mut dyn FieldIter<'_, R::TypeId>,
        types: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), scale_encode::Error> {
        match self {
            Self::Upload { cluster, code } => {
                let kind = Value::unnamed_variant("InkCode", []);
                (cluster.0, kind, code).encode_as_fields_to(fields, types, out)
            }
            Self::Instantiate {
                cluster,
                code_hash,
                data,
                salt,
                transfer,
                gas_limit,
                storage_deposit_limit,
                deposit,
            } => {
                let code = Value::unnamed_variant("WasmCode", [Value::from_bytes(code_hash)]);
                (
                    code,
                    data,
                    salt,
                    cluster.0,
                    transfer,
                    gas_limit,
                    storage_deposit_limit,
                    deposit,
                )
                    .encode_as_fields_to(fields, types, out)
            }
            Self::Push {
                contract,
                payload,
                deposit,
            } => (contract.0, payload, deposit).encode_as_fields_to(fields, types, out),
            // Already encoded: this SDK does not look into evidence.
            Self::RegisterWorker {
                evidence,
                endpoints,
            } => {
                out.extend_from_slice(evidence);
                encode_endpoints(endpoints, out);
                Ok(())
            }
            Self::UpdateEndpoints { worker, endpoints } => {
                worker.encode_to(out);
                encode_endpoints(endpoints, out);
                Ok(())
            }
            Self::AddWorker { worker, cluster } | Self::RemoveWorker { worker, cluster } => {
                (worker.0, cluster.0).encode_as_fields_to(fields, types, out)
            }
            Self::Transfer { to, amount } => {
                let to: MultiAddress<AccountId32, ()> = MultiAddress::Id(AccountId32(to.0));
                (to, amount).encode_as_fields_to(fields, types, out)
            }
            Self::TransferToCluster {
                cluster,
                to,
                amount,
            } => (amount, cluster.0, to.0).encode_as_fields_to(fields, types, out),
            Self::TransferFromCluster { cluster, amount } => {
                (cluster.0, amount).encode_as_fields_to(fields, types, out)
            }
            Self::UploadPrivate { cluster, sealed } => {
                (cluster.0, SealedValue::from(sealed)).encode_as_fields_to(fields, types, out)
            }
            Self::InstantiatePrivate {
                cluster,
                sealed,
                deposit,
            } => (cluster.0, SealedValue::from(sealed), deposit)
                .encode_as_fields_to(fields, types, out),
            Self::ReadmitWorker { worker } => (worker.0,).encode_as_fields_to(fields, types, out),
            Self::AdjustStake { contract, amount } => {
                (contract.0, amount).encode_as_fields_to(fields, types, out)
            }
            // In the form in which the workers get it.
            Self::SetPolicy {
                cluster,
                permission,
                policy,
            } => {
                (cluster, permission, policy).encode_to(out);
                Ok(())
            }
            Self::PrepayCredit {
                cluster,
                amount,
                slice,
            } => (cluster.0, amount, slice).encode_as_fields_to(fields, types, out),
            Self::WithdrawCredit { cluster } => {
                (cluster.0,).encode_as_fields_to(fields, types, out)
            }
            Self::CreateCluster {
                permission,
                workers,
                gas_price,
                deposit_per_item,
                deposit_per_byte,
                treasury,
            } => {
                (permission, workers).encode_to(out);
                (gas_price, deposit_per_item, deposit_per_byte, treasury).encode_to(out);
                Ok(())
            }
            Self::Economy(calls) => {
                EconomyCall::carried(calls, false).encode_as_fields_to(fields, types, out)
            }
            Self::Govern(calls) => {
                EconomyCall::carried(calls, true).encode_as_fields_to(fields, types, out)
            }
        }
    }
}

/// Endpoints as the chain knows them: variant 0 of an enum, a list of texts.
fn encode_endpoints(endpoints: &[String], out: &mut Vec<u8>) {
    out.push(0);
    endpoints.encode_to(out);
}

impl ChainClient {
    /// Signs a call, sends it and waits until it is in a block and has succeeded.
    pub async fn submit(&self, signer: &Account, call: Call) -> Result<Submitted, ChainError> {
        self.in_time(self.submit_and_watch(signer, call)).await
    }

    async fn submit_and_watch(
        &self,
        signer: &Account,
        call: Call,
    ) -> Result<Submitted, ChainError> {
        let (pallet, name) = call.names();
        let payload = dynamic::tx(pallet, name, call);
        let mut progress = self
            .api
            .tx()
            .await?
            .sign_and_submit_then_watch_default(&payload, signer.signer())
            .await
            .map_err(not_taken)?;
        let included = loop {
            match progress
                .next()
                .await
                .ok_or_else(|| ChainError::NotTaken("it was forgotten".into()))??
            {
                TransactionStatus::InBestBlock(block)
                | TransactionStatus::InFinalizedBlock(block) => break block,
                TransactionStatus::Error { message }
                | TransactionStatus::Invalid { message }
                | TransactionStatus::Dropped { message } => {
                    return Err(ChainError::NotTaken(message));
                }
                TransactionStatus::Validated
                | TransactionStatus::Broadcasted
                | TransactionStatus::NoLongerInBestBlock => {}
            }
        };
        let events = included
            .wait_for_success()
            .await
            .map_err(|error| match error {
                TransactionEventsError::ExtrinsicFailed(error) => ChainError::Failed {
                    call: name,
                    reason: describe(&error),
                },
                other => other.into(),
            })?;
        let at = included.at().await?;
        let mut submitted = Submitted {
            block: at.block_number(),
            block_hash: Hash::from(included.block_hash().0),
            message: None,
            contract: None,
            cluster: None,
        };
        for event in events.iter() {
            let event = event?;
            match (event.pallet_name(), event.event_name()) {
                // A call with a deposit sends two: the deposit, then the command.
                (MESSAGES, "MessageQueued") => {
                    let queued: MessageQueued = event.decode_fields_unchecked_as()?;
                    submitted.message = Some(queued.number);
                }
                (CLUSTERS, "Instantiating") => {
                    let instantiating: Instantiating = event.decode_fields_unchecked_as()?;
                    submitted.contract = Some(Hash::from(instantiating.contract));
                }
                (CLUSTERS, "ClusterCreated") => {
                    let created: ClusterCreated = event.decode_fields_unchecked_as()?;
                    submitted.cluster = Some(Hash::from(created.cluster));
                }
                // Sudo succeeds also when what it was to do does not.
                ("Sudo", "Sudid") => {
                    if let [1, error @ ..] = event.field_bytes() {
                        let error = DispatchError::decode_from(error, at.metadata())
                            .map_err(subxt::Error::from)?;
                        return Err(ChainError::Failed {
                            call: name,
                            reason: describe(&error),
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(submitted)
    }
}

/// `PhalaMq.MessageQueued`.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct MessageQueued {
    number: u64,
}

/// `PhalaPhatContracts.Instantiating`.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct Instantiating {
    contract: [u8; 32],
}

/// `PhalaPhatContracts.ClusterCreated`.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct ClusterCreated {
    cluster: [u8; 32],
}

/// What the node says about a transaction that it refuses at once.
fn not_taken(error: ExtrinsicError) -> ChainError {
    match error {
        ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(
            subxt::rpcs::Error::User(error),
        ))) => {
            let detail = error
                .data
                .map(|data| data.get().trim_matches('"').to_string());
            ChainError::NotTaken(match detail {
                Some(detail) => format!("{}: {detail}", error.message),
                None => error.message,
            })
        }
        other => other.into(),
    }
}
