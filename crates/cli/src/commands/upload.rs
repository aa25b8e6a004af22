//! `phat upload`: a contract's code into the cluster.

use super::receipt;
use crate::{
    book::hex,
    context::{Context, load_bundle},
    error::CliError,
    report::{Report, waiting},
};
use std::path::PathBuf;

/// Arguments of `phat upload`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  phat upload contracts/artifacts/token.contract")]
pub(crate) struct Args {
    /// The .contract file that `cargo contract build` makes, or its .wasm file with the .json beside
    /// it
    bundle: PathBuf,
    /// Encrypt it to the workers of the cluster: on the chain only its size shows, in steps of 64 KiB
    #[arg(long)]
    private: bool,
}

/// Uploads code.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let (bytes, bundle) = load_bundle(&args.bundle)?;
    let client = context.client().await?;
    let receipt = waiting("uploading", async {
        match args.private {
            true => client.upload_private(&bundle).await,
            false => client.upload(&bundle).await,
        }
    })
    .await?;
    context.book()?.keep_bundle(bundle.code_hash, &bytes)?;
    let title = format!("code of {} uploaded", bundle.name);
    let mut report = receipt::show(&title, &receipt, None, |_| None);
    report.json["code_hash"] = hex(bundle.code_hash).into();
    Ok(report)
}
