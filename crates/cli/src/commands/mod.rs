//! The commands, one file each. A command reads its arguments, does its work through `phat-client` and
//! returns a report; `economy simulate` needs nobody and prints a document.

pub(crate) mod accounts;
pub(crate) mod call;
pub(crate) mod cluster;
pub(crate) mod contracts;
pub(crate) mod credit;
pub(crate) mod deploy;
pub(crate) mod economy;
pub(crate) mod era;
mod estimate;
pub(crate) mod logs;
pub(crate) mod operate;
pub(crate) mod query;
pub(crate) mod readmit;
pub(crate) mod receipt;
pub(crate) mod stake;
pub(crate) mod status;
pub(crate) mod transfer;
pub(crate) mod upload;
pub(crate) mod workers;

use crate::args::Spending;
use phat_client::Options;

impl From<Spending> for Options {
    fn from(spending: Spending) -> Self {
        Self {
            transfer: spending.transfer.unwrap_or_default(),
            gas_limit: spending.gas,
            storage_deposit_limit: spending.storage_deposit_limit,
            deposit: spending.deposit,
            ..Self::default()
        }
    }
}
