//! `phat status`: whether chain, clusters and workers are well.

use super::workers::{Seen, look};
use crate::{
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use phat_client::amount::show_amount;
use serde_json::json;

/// Shows the state of everything.
pub(crate) async fn run(context: &Context) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let head = waiting("asking the chain", chain.head()).await?;
    let workers = look(&chain, &context.roots()?).await?;
    let mut text = format!("{}\n", style::strong("chain"));
    text.push_str(&lines(&[
        ("address", chain.url().into()),
        ("genesis", hex(chain.genesis())),
        ("block", head.number.to_string()),
    ]));
    let mut clusters = Vec::new();
    let mut well = true;
    let eras = chain.economy().await?.run;
    for cluster in chain.clusters().await? {
        let key = chain.cluster_key(cluster.id).await?;
        let contracts = chain.cluster_contracts(cluster.id).await?.len();
        let members: Vec<&Seen> = workers
            .iter()
            .filter(|worker| worker.cluster == Some(cluster.id))
            .collect();
        let health = Health::of(&members);
        let diverged = workers.iter().filter(|worker| {
            let divergence = worker.diverged.as_ref();
            divergence.is_some_and(|divergence| divergence.cluster == cluster.id)
        });
        let diverged = diverged.count();
        let agreed = chain.agreed_blocks(cluster.id).await?.last().copied();
        // Which cluster has workers is then a matter of stake.
        let rests = eras && members.is_empty();
        well &= rests || key.is_some() && health.well() && diverged == 0;
        text.push_str(&format!(
            "{}\n",
            style::strong(&format!("cluster {}", cluster.id.to_low_u64_be()))
        ));
        text.push_str(&lines(&[
            (
                "key",
                match key {
                    Some(_) => style::good("known"),
                    None if rests => "made with its first worker".into(),
                    None => style::bad("not yet: no gatekeeper has made it"),
                },
            ),
            (
                "workers",
                match rests {
                    true => "none in this era: see `phat era`".into(),
                    false => health.describe(diverged),
                },
            ),
            (
                "agreed",
                match agreed {
                    Some(block) => format!("on state and receipts after block {block}"),
                    None => "on nothing yet".into(),
                },
            ),
            ("contracts", contracts.to_string()),
            ("gas price", format!("{} a unit", cluster.gas_price)),
            (
                "deposits",
                format!(
                    "{} an item, {} a byte",
                    show_amount(cluster.deposit_per_item),
                    show_amount(cluster.deposit_per_byte)
                ),
            ),
            ("deploying", cluster.permission.name().into()),
        ]));
        clusters.push(json!({
            "id": hex(cluster.id),
            "owner": phat_client::keys::address(&cluster.owner),
            "permission": cluster.permission.name(),
            "system_contract": hex(cluster.system_contract),
            "public_key": key.map(|key| hex(key.into())),
            "workers": members.len(),
            "workers_answering": health.answering,
            "roots_agree": health.roots_agree,
            "workers_diverged": diverged,
            "agreed_block": agreed,
            "contracts": contracts,
            "gas_price": cluster.gas_price.to_string(),
            "deposit_per_item": cluster.deposit_per_item.to_string(),
            "deposit_per_byte": cluster.deposit_per_byte.to_string(),
        }));
    }
    if clusters.is_empty() {
        well = false;
        text.push_str("There are no clusters on this chain yet.\n");
    }
    let json = json!({
        "well": well,
        "chain": { "url": chain.url(), "genesis": hex(chain.genesis()), "block": head.number, "hash": hex(head.hash) },
        "clusters": clusters,
        "workers": workers.len(),
    });
    Ok(Report::new(text, json))
}

/// How the workers of a cluster are.
struct Health {
    members: usize,
    answering: usize,
    /// Workers that have applied equally many blocks have equal states.
    roots_agree: bool,
}

impl Health {
    fn of(members: &[&Seen]) -> Self {
        let answers: Vec<_> = members
            .iter()
            .filter_map(|worker| worker.answer.as_ref().ok())
            .collect();
        let roots_agree = answers.iter().all(|a| {
            answers
                .iter()
                .all(|b| a.block != b.block || a.state_root == b.state_root)
        });
        Self {
            members: members.len(),
            answering: answers.len(),
            roots_agree,
        }
    }

    fn well(&self) -> bool {
        self.members > 0 && self.answering == self.members && self.roots_agree
    }

    /// In words; with how many workers have left because their state was another one.
    fn describe(&self, diverged: usize) -> String {
        let count = format!("{} of {} answer", self.answering, self.members);
        let count = if self.answering == self.members {
            style::good(&count)
        } else {
            style::bad(&count)
        };
        let left = match diverged {
            0 => String::new(),
            1 => format!(", {}", style::bad("1 has left because its state differed")),
            many => format!(
                ", {}",
                style::bad(&format!("{many} have left because their states differed"))
            ),
        };
        match self.roots_agree {
            true => format!("{count}, their states agree{left}"),
            false => format!("{count}, {}{left}", style::bad("their states differ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::workers::Answer;
    use phat_client::primitives::WorkerId;

    fn worker(block: u32, root: &str) -> Seen {
        let answer = Answer {
            block,
            state_root: root.into(),
            contracts: 0,
            version: String::new(),
            warning: String::new(),
        };
        Seen {
            id: WorkerId([0; 32]),
            record: None,
            endpoints: Vec::new(),
            cluster: None,
            diverged: None,
            answer: Ok(answer),
        }
    }

    #[test]
    fn states_are_compared_at_equal_blocks_only() {
        let (a, b, c) = (worker(1, "x"), worker(2, "y"), worker(1, "z"));
        assert!(Health::of(&[&a, &b]).well());
        assert!(!Health::of(&[&a, &c]).well());
    }

    #[test]
    fn a_silent_worker_is_not_well() {
        let mut silent = worker(1, "x");
        silent.answer = Err("gone".into());
        assert!(!Health::of(&[&worker(1, "x"), &silent]).well());
        assert!(!Health::of(&[]).well());
    }
}
