//! `phat deploy`: makes a contract.

use super::receipt;
use crate::{
    args::Spending,
    book::hex,
    context::{Context, load_bundle},
    error::CliError,
    report::{Report, lines, style, waiting},
};
use phat_client::{Options, keys::address, primitives::AccountId};
use std::path::PathBuf;

/// Constructor that most contracts have.
const USUAL_CONSTRUCTOR: &str = "new";

/// Arguments of `phat deploy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat deploy token.contract --constructor new 1_000_000 Token TKN 12
  phat deploy flipper.contract --constructor new true --name my-flipper
  phat query my-flipper get
  phat deploy secret.contract --private 42")]
pub(crate) struct Args {
    /// The .contract file that `cargo contract build` makes, or its .wasm file with the .json beside
    /// it
    bundle: PathBuf,
    /// The constructor's arguments
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// Name of the constructor [default: the only one, or `new`]
    #[arg(long, value_name = "NAME")]
    constructor: Option<String>,
    /// What to call the contract in other commands [default: its own name]
    #[arg(long)]
    name: Option<String>,
    /// Bytes in hex that make the contract's address unique [default: random]
    #[arg(long, value_name = "HEX")]
    salt: Option<String>,
    /// Encrypt code, arguments and limits to the workers of the cluster: on the chain only their sizes
    /// show, in steps, and who has sent them
    #[arg(long)]
    private: bool,
    #[command(flatten)]
    spending: Spending,
}

/// Deploys a contract.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let (bytes, bundle) = load_bundle(&args.bundle)?;
    let constructor = match (&args.constructor, bundle.interface.constructors.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.label.clone(),
        (None, _) => USUAL_CONSTRUCTOR.into(),
    };
    let salt = args
        .salt
        .map(|text| hex::decode(text.trim_start_matches("0x")).map_err(|_| CliError::Salt(text)));
    let options = Options {
        salt: salt.transpose()?,
        private: args.private,
        ..args.spending.into()
    };
    let client = context.client().await?;
    let deploying = client.deploy(&bundle, &constructor, &args.args, &options);
    let deployed = waiting("deploying", deploying).await?;
    let title = format!("{} deployed", bundle.name);
    let applied = &deployed.applied;
    let mut report = receipt::show(&title, &applied.receipt, applied.output.as_ref(), |_| {
        Some(&bundle.interface)
    });
    report.json["contract"] = hex(deployed.contract).into();
    report.json["code_hash"] = hex(bundle.code_hash).into();
    if report.failed {
        return Ok(report);
    }
    let name = args.name.unwrap_or(bundle.name);
    let book = context.book()?;
    book.keep_bundle(bundle.code_hash, &bytes)?;
    book.keep_contract(
        &name,
        deployed.contract,
        bundle.code_hash,
        client.chain().genesis(),
    )?;
    let address = address(&AccountId::from(deployed.contract));
    report.json["address"] = address.clone().into();
    report.json["name"] = name.clone().into();
    report.text.push_str(&lines(&[
        ("address", address),
        ("name", style::strong(&name)),
    ]));
    Ok(report)
}
