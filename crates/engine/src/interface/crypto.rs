//! Host functions that hash and check signatures.

use super::{Cost, abi::Context, costs};
use crate::{
    exec::{Exit, code},
    pink::crypto,
};

fn hash<const N: usize>(
    context: &mut Context<'_>,
    cost: Cost,
    hash: fn(&[u8]) -> [u8; N],
    input: u32,
    input_len: u32,
    out: u32,
) -> Result<(), Exit> {
    context.charge_bytes(cost, input_len as usize)?;
    let digest = hash(context.slice(input, input_len)?);
    Ok(context.write(out, &digest)?)
}

pub(super) fn sha2_256(c: &mut Context<'_>, input: u32, len: u32, out: u32) -> Result<(), Exit> {
    hash(c, costs::SHA2_256, crypto::sha2_256, input, len, out)
}

pub(super) fn keccak_256(c: &mut Context<'_>, input: u32, len: u32, out: u32) -> Result<(), Exit> {
    hash(c, costs::KECCAK_256, crypto::keccak_256, input, len, out)
}

pub(super) fn blake2_256(c: &mut Context<'_>, input: u32, len: u32, out: u32) -> Result<(), Exit> {
    hash(c, costs::BLAKE2_256, crypto::blake2_256, input, len, out)
}

pub(super) fn blake2_128(c: &mut Context<'_>, input: u32, len: u32, out: u32) -> Result<(), Exit> {
    hash(c, costs::BLAKE2_128, crypto::blake2_128, input, len, out)
}

pub(super) fn ecdsa_recover(
    context: &mut Context<'_>,
    signature: u32,
    hash: u32,
    out: u32,
) -> Result<u32, Exit> {
    let signature = context.read_array(signature)?;
    let hash = context.read_array(hash)?;
    match crypto::ecdsa_recover(&signature, &hash) {
        Some(key) => {
            context.write(out, &key)?;
            Ok(code::SUCCESS)
        }
        None => Ok(code::ECDSA_RECOVERY_FAILED),
    }
}

pub(super) fn ecdsa_to_eth_address(
    context: &mut Context<'_>,
    key: u32,
    out: u32,
) -> Result<u32, Exit> {
    let key = context.read_array(key)?;
    match crypto::eth_address(&key) {
        Some(address) => {
            context.write(out, &address)?;
            Ok(code::SUCCESS)
        }
        None => Ok(code::ECDSA_RECOVERY_FAILED),
    }
}

pub(super) fn sr25519_verify(
    context: &mut Context<'_>,
    signature: u32,
    key: u32,
    message_len: u32,
    message: u32,
) -> Result<u32, Exit> {
    context.charge_bytes(costs::SR25519_VERIFY, message_len as usize)?;
    let signature: [u8; 64] = context.read_array(signature)?;
    let key: [u8; 32] = context.read_array(key)?;
    let message = context.slice(message, message_len)?;
    Ok(if crypto::sr25519_verify(&key, message, &signature) {
        code::SUCCESS
    } else {
        code::SR25519_VERIFY_FAILED
    })
}
