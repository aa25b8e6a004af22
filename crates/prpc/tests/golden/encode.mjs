// Prints messages as the encoder of `@phala/sdk` 0.6.0-beta.19 writes them: the lines of
// `messages.txt`. Run it with node.js where that package is installed:
//   node encode.mjs > messages.txt
import { pruntimeRpc as rpc } from "@phala/sdk";

const bytes = (length, value) => new Uint8Array(length).fill(value);
const print = (label, type, message) => {
  const encoded = rpc[type].encode(rpc[type].create(message)).finish();
  console.log(`${label} ${Buffer.from(encoded).toString("hex")}`);
};

const gatekeeper = { role: 2, masterPublicKey: "cc" };

print("PhactoryInfo", "PhactoryInfo", {
  initialized: true,
  registered: true,
  genesisBlockHash: "aa",
  publicKey: "bb",
  ecdhPublicKey: "cc",
  headernum: 7,
  paraHeadernum: 8,
  blocknum: 4294967295,
  stateRoot: "dd",
  devMode: true,
  pendingMessages: 12,
  score: 9007199254740991,
  gatekeeper,
  version: "0.1.0",
  gitRevision: "ee",
  memoryUsage: { rustUsed: 1, rustPeakUsed: 2, totalPeakUsed: 3, free: 4, rustSpike: 5 },
  waitingForParaheaders: true,
  system: {
    registered: true,
    publicKey: "bb",
    ecdhPublicKey: "cc",
    gatekeeper,
    numberOfClusters: 1,
    numberOfContracts: 300,
    maxSupportedConsensusVersion: 2,
    genesisBlock: 1,
  },
  canLoadChainState: true,
  safeModeLevel: 1,
  currentBlockTime: 1700000000000,
  maxSupportedPinkRuntimeVersion: "1.2",
});
print("PhactoryInfoDefaults", "PhactoryInfo", {
  initialized: false,
  publicKey: "",
  blocknum: 0,
  stateRoot: "",
  gatekeeper: { role: 0, masterPublicKey: "" },
});
print("GetRuntimeInfoRequest", "GetRuntimeInfoRequest", {
  forceRefreshRa: true,
  encodedOperator: bytes(2, 1),
});
print("InitRuntimeResponse", "InitRuntimeResponse", {
  encodedRuntimeInfo: bytes(1, 1),
  encodedGenesisBlockHash: bytes(2, 2),
  encodedPublicKey: bytes(3, 3),
  encodedEcdhPublicKey: bytes(4, 4),
  attestation: {
    version: 1,
    provider: "software",
    payload: { report: "r", signature: bytes(1, 5), signingCert: bytes(1, 6) },
    encodedReport: bytes(5, 7),
    timestamp: 1700000000,
  },
});
print("GetEndpointResponse", "GetEndpointResponse", {
  encodedEndpointPayload: bytes(2, 1),
  signature: bytes(64, 2),
});
print("ContractQueryRequest", "ContractQueryRequest", {
  encodedEncryptedData: bytes(5, 1),
  signature: {
    signedBy: {
      encodedBody: bytes(3, 2),
      signature: {
        signedBy: { encodedBody: bytes(3, 3), signature: null },
        signatureType: rpc.SignatureType.Sr25519WrapBytes,
        signature: bytes(64, 4),
      },
    },
    signatureType: rpc.SignatureType.Sr25519,
    signature: bytes(64, 5),
  },
});
for (const [name, value] of Object.entries(rpc.SignatureType)) {
  print(`SignatureType.${name}`, "Signature", { signatureType: value, signature: bytes(1, 1) });
}
print("ContractQueryResponse", "ContractQueryResponse", { encodedEncryptedData: bytes(9, 1) });
print("GetContractInfoRequest", "GetContractInfoRequest", { contracts: ["0xaa", "0xbb"] });
print("GetContractInfoResponse", "GetContractInfoResponse", {
  contracts: [
    {
      id: "0xaa",
      codeHash: "0xbb",
      weight: 3,
      sidevm: { state: "stopped", codeHash: "0xcc", startTime: "t", stopReason: "r" },
    },
    { id: "0xdd", codeHash: "0xee" },
  ],
});
print("GetClusterInfoResponse", "GetClusterInfoResponse", {
  info: { id: "0x01", runtimeVersion: "1.2", stateRoot: "0xaa", contracts: ["0xbb", "0xcc"] },
});
