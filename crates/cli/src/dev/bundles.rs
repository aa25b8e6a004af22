//! The contracts that come with `phat dev`, built in.

use super::DevError;
use phat_client::Bundle;
use phat_primitives::CodeHash;

/// An example contract.
pub(super) struct Example {
    /// What it is called.
    pub(super) name: &'static str,
    /// Its bundle as a file.
    pub(super) bytes: &'static [u8],
    /// Its bundle.
    pub(super) bundle: Bundle,
    /// Hash of its code.
    pub(super) code_hash: CodeHash,
    /// Constructor and arguments it is made with.
    pub(super) constructor: (&'static str, &'static [&'static str]),
    /// A message without arguments, to ask whether it answers.
    pub(super) question: &'static str,
}

macro_rules! bundle {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/artifacts/",
            $name,
            ".contract"
        ))
    };
}

/// Bundle of the system contract.
const SYSTEM: &[u8] = bundle!("system");

/// The bundle of the system contract, as a file and read.
pub(super) fn system() -> Result<(&'static [u8], Bundle), DevError> {
    Ok((SYSTEM, Bundle::parse(SYSTEM)?))
}

/// The example contracts.
pub(super) fn examples() -> Result<Vec<Example>, DevError> {
    Ok(vec![
        example("http", bundle!("http"), ("new", &[]), "latest")?,
        example(
            "token",
            bundle!("token"),
            (
                "new",
                &["1_000_000_000_000_000_000", "Phat Token", "PTK", "12"],
            ),
            "total_supply",
        )?,
    ])
}

fn example(
    name: &'static str,
    bytes: &'static [u8],
    constructor: (&'static str, &'static [&'static str]),
    question: &'static str,
) -> Result<Example, DevError> {
    let bundle = Bundle::parse(bytes)?;
    let code_hash = CodeHash::from(phat_primitives::blake2_256(bundle.code()?));
    Ok(Example {
        name,
        bytes,
        bundle,
        code_hash,
        constructor,
        question,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_have_the_messages_that_are_used() {
        for example in examples().unwrap() {
            let constructor = example
                .bundle
                .interface
                .constructor(example.constructor.0)
                .unwrap();
            example
                .bundle
                .interface
                .encode_call(constructor, example.constructor.1)
                .unwrap();
            let question = example.bundle.interface.message(example.question).unwrap();
            assert!(question.args.is_empty() && !question.mutates);
        }
        assert!(system().unwrap().1.code().unwrap().starts_with(b"\0asm"));
    }
}
