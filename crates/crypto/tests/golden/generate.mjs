// Makes `clients.json`: what the published clients compute, for `tests/golden.rs` to compare with.
// Certificates come out of `@phala/sdk` itself. Most values are random, so every run makes others.
//
//   npm install @phala/sdk@0.6.0-beta.19 @polkadot/keyring@12.6.2 @polkadot/util-crypto@12.6.2 \
//     viem@1.21.4 browserify-cipher@1.0.1
//   node generate.mjs > clients.json

import { phalaTypes, signCertificate, signEip712Certificate } from "@phala/sdk";
import { createEip712StructedDataSignQuery } from "@phala/sdk";
import { evmPublicKeyToSubstrateRawAddressU8a } from "@phala/sdk";
import { Keyring } from "@polkadot/keyring";
import { u8aToHex, u8aWrapBytes } from "@polkadot/util";
import {
  cryptoWaitReady,
  randomAsU8a,
  secp256k1Compress,
  sr25519Agreement,
  sr25519PairFromSeed,
  sr25519Sign,
} from "@polkadot/util-crypto";
import browserifyCipher from "browserify-cipher";
import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { mainnet } from "viem/chains";

await cryptoWaitReady();
const hex = (bytes) => u8aToHex(bytes, -1, false);

const keys = [1, 2, 0xff].map((byte) => {
  const seed = new Uint8Array(32).fill(byte);
  const pair = sr25519PairFromSeed(seed);
  return { seed: hex(seed), public: hex(pair.publicKey) };
});

const agreements = Array.from({ length: 4 }, () => {
  const [seed, peerSeed] = [randomAsU8a(32), randomAsU8a(32)];
  const [own, peer] = [sr25519PairFromSeed(seed), sr25519PairFromSeed(peerSeed)];
  const shared = sr25519Agreement(own.secretKey, peer.publicKey);
  return { seed: hex(seed), peer_public: hex(peer.publicKey), shared: hex(shared) };
});

const message = Buffer.from("phat/report\0hello");
const signer = sr25519PairFromSeed(randomAsU8a(32));
const inContext = {
  public: hex(signer.publicKey),
  message: hex(Buffer.from("hello")),
  signature: hex(sr25519Sign(message, signer)),
};

function envelope(plain) {
  const [seed, peerSeed, iv] = [randomAsU8a(32), randomAsU8a(32), randomAsU8a(12)];
  const [own, peer] = [sr25519PairFromSeed(seed), sr25519PairFromSeed(peerSeed)];
  const key = sr25519Agreement(own.secretKey, peer.publicKey);
  const cipher = browserifyCipher.createCipheriv("aes-256-gcm", Buffer.from(key), Buffer.from(iv));
  const text = cipher.update(Buffer.from(plain));
  cipher.final();
  const data = Buffer.concat([text, cipher.getAuthTag()]);
  const encoded = phalaTypes.createType("EncryptedData", {
    iv: u8aToHex(iv),
    pubkey: u8aToHex(own.publicKey),
    data: u8aToHex(data),
  });
  return {
    seed: hex(seed),
    peer_seed: hex(peerSeed),
    plain: hex(Buffer.from(plain)),
    encoded: hex(encoded.toU8a()),
  };
}

const signatureJson = (signature) => ({
  signed_by: certificateJson(signature.signedBy),
  signature_type: signature.signatureType,
  signature: hex(signature.signature),
});
const certificateJson = (certificate) => ({
  encoded_body: hex(certificate.encodedBody),
  signature: certificate.signature ? signatureJson(certificate.signature) : null,
});

// As `pinkQuery` of the SDK signs a query with a certificate's session key.
function query(name, account, { certificate, pubkey, secret }) {
  const data = Buffer.from(envelope("a query").encoded, "hex");
  const signature = {
    signedBy: certificate,
    signatureType: 1,
    signature: sr25519Sign(data, { publicKey: pubkey, secretKey: secret }),
  };
  return { name, account: hex(account), data: hex(data), signature: signatureJson(signature) };
}

const ttl = 1000;
const queries = [];
const keyring = new Keyring({ type: "sr25519" });
for (const type of ["sr25519", "ed25519", "ecdsa"]) {
  const pair = keyring.addFromSeed(randomAsU8a(32), {}, type);
  queries.push(query(type, pair.addressRaw, await signCertificate({ pair, ttl })));

  // A wallet: wraps what it signs, and tells the page its address and type only.
  const signer = {
    signRaw: async ({ data }) => ({ signature: u8aToHex(pair.sign(u8aWrapBytes(data))) }),
  };
  const account = { address: pair.address, type };
  const certificate = await signCertificate({ signer, account, ttl });
  queries.push(query(`${type} wallet`, pair.addressRaw, certificate));
}

const ethereum = privateKeyToAccount(u8aToHex(randomAsU8a(32)));
const client = createWalletClient({ account: ethereum, chain: mainnet, transport: http() });
const publicKey = Buffer.from(ethereum.publicKey.slice(2), "hex");
const compressedPubkey = u8aToHex(secp256k1Compress(publicKey));
const account = evmPublicKeyToSubstrateRawAddressU8a(compressedPubkey);
const certificate = await signEip712Certificate({ client, account: ethereum, compressedPubkey, ttl });
queries.push(query("ethereum wallet", account, certificate));

// The wallet signs the query itself, without a session key.
const data = Buffer.from(envelope("a query").encoded, "hex");
const typed = createEip712StructedDataSignQuery(ethereum, u8aToHex(data));
const signature = Buffer.from((await client.signTypedData(typed)).slice(2), "hex");
const root = certificate.certificate.signature.signedBy;
queries.push({
  name: "ethereum wallet, no session key",
  account: hex(account),
  data: hex(data),
  signature: signatureJson({ signedBy: root, signatureType: 6, signature }),
});

console.log(
  JSON.stringify(
    { ttl, keys, agreements, in_context: inContext, envelopes: ["", "hello", "x".repeat(100)].map(envelope), queries },
    null,
    1,
  ),
);
