//! `phat contracts`: the contracts of the clusters.

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, style, table, waiting},
};
use phat_client::{amount::show_amount, keys::address, primitives::AccountId};
use serde_json::json;

/// Shows contracts.
pub(crate) async fn run(context: &Context) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let records = context.book()?.records(chain.genesis())?;
    let stakes = chain.contract_stakes().await?;
    let mut rows = Vec::new();
    let mut entries = Vec::new();
    for cluster in waiting("asking the chain", chain.clusters()).await? {
        for id in chain.cluster_contracts(cluster.id).await? {
            let record = records.iter().find(|record| record.contract == hex(id));
            let name = match record {
                Some(record) => record.name.clone(),
                None if id == cluster.system_contract => "system".into(),
                None => String::new(),
            };
            let known = chain.contract(id).await?;
            let private = known.is_some_and(|contract| contract.code_hash.is_none());
            let code_hash = known.and_then(|contract| contract.code_hash).map(hex);
            rows.push(vec![
                name.clone(),
                address(&AccountId::from(id)),
                cluster.id.to_low_u64_be().to_string(),
                match code_hash.as_deref() {
                    Some(hash) => format!("{}…", &hash[..18]),
                    None if private => "private".into(),
                    None => "?".into(),
                },
                match stakes.get(&id) {
                    Some(stake) => show_amount(*stake),
                    None => String::new(),
                },
            ]);
            entries.push(json!({
                "name": name,
                "address": address(&AccountId::from(id)),
                "id": hex(id),
                "code_hash": code_hash,
                "private": private,
                "cluster": hex(cluster.id),
                "stake": stakes.get(&id).copied().unwrap_or_default().to_string(),
                "system": id == cluster.system_contract,
            }));
        }
    }
    let text = match rows.is_empty() {
        true => format!(
            "There are no contracts yet. Deploy one: {}",
            style::strong("phat deploy FILE.contract")
        ),
        false => table(&["name", "address", "cluster", "code", "stake"], rows),
    };
    Ok(Report::new(text, json!(entries)))
}
