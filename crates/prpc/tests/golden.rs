//! The messages are the same bytes as those of `@phala/sdk`, in both directions. The vectors come
//! from its own encoder, see `golden/encode.mjs`.

use phat_crypto::certificate::{self, SignatureType, UnknownSignatureType};
use phat_prpc::{
    Attestation, AttestationReport, Certificate, ClusterInfo, ContractInfo, ContractQueryRequest,
    ContractQueryResponse, GatekeeperRole, GatekeeperStatus, GetClusterInfoResponse,
    GetContractInfoRequest, GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest,
    InitRuntimeResponse, MemoryUsage, Message, PhactoryInfo, PrpcError, SidevmInfo, Signature,
    SystemInfo,
};
use std::fmt::Debug;

fn vector(label: &str) -> Vec<u8> {
    let line = include_str!("golden/messages.txt")
        .lines()
        .find_map(|line| line.strip_prefix(label)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no vector is called {label}"));
    hex::decode(line).expect("vectors are hex")
}

/// Checks that `message` and the vector are the same thing, and that every prefix of the vector is
/// either refused or another message.
#[track_caller]
fn same<M: Message + Default + PartialEq + Debug>(label: &str, message: M) {
    let bytes = vector(label);
    assert_eq!(
        hex::encode(message.encode_to_vec()),
        hex::encode(&bytes),
        "{label}"
    );
    assert_eq!(M::decode(&bytes[..]).as_ref(), Ok(&message), "{label}");
    for end in 0..bytes.len() {
        if let Ok(shorter) = M::decode(&bytes[..end]) {
            assert_ne!(
                shorter, message,
                "{label}: nothing in the last bytes matters"
            );
        }
    }
}

fn gatekeeper() -> GatekeeperStatus {
    GatekeeperStatus {
        role: GatekeeperRole::Active.into(),
        master_public_key: "cc".into(),
    }
}

#[test]
fn information_about_a_worker_is_what_the_sdk_writes() {
    same(
        "PhactoryInfo",
        PhactoryInfo {
            initialized: true,
            registered: true,
            genesis_block_hash: Some("aa".into()),
            public_key: Some("bb".into()),
            ecdh_public_key: Some("cc".into()),
            headernum: 7,
            para_headernum: 8,
            blocknum: u32::MAX,
            state_root: "dd".into(),
            dev_mode: true,
            pending_messages: 12,
            score: (1 << 53) - 1,
            gatekeeper: Some(gatekeeper()),
            version: "0.1.0".into(),
            git_revision: "ee".into(),
            memory_usage: Some(MemoryUsage {
                rust_used: 1,
                rust_peak_used: 2,
                total_peak_used: 3,
                free: 4,
                rust_spike: 5,
            }),
            waiting_for_paraheaders: true,
            system: Some(SystemInfo {
                registered: true,
                public_key: "bb".into(),
                ecdh_public_key: "cc".into(),
                gatekeeper: Some(gatekeeper()),
                number_of_clusters: 1,
                number_of_contracts: 300,
                max_supported_consensus_version: 2,
                genesis_block: 1,
            }),
            can_load_chain_state: true,
            safe_mode_level: 1,
            current_block_time: 1_700_000_000_000,
            max_supported_pink_runtime_version: "1.2".into(),
            // Fields of our own, which the SDK does not write.
            ..Default::default()
        },
    );
}

#[test]
fn defaults_that_the_sdk_writes_out_are_read_as_defaults() {
    let message = PhactoryInfo::decode(&vector("PhactoryInfoDefaults")[..]).unwrap();
    assert_eq!(
        message,
        PhactoryInfo {
            public_key: Some(String::new()),
            gatekeeper: Some(GatekeeperStatus::default()),
            ..Default::default()
        }
    );
}

#[test]
fn registration_and_endpoints_are_what_the_sdk_writes() {
    same(
        "GetRuntimeInfoRequest",
        GetRuntimeInfoRequest {
            force_refresh_ra: true,
            encoded_operator: Some(vec![1; 2]),
        },
    );
    same(
        "InitRuntimeResponse",
        InitRuntimeResponse {
            encoded_runtime_info: vec![1; 1],
            encoded_genesis_block_hash: vec![2; 2],
            encoded_public_key: vec![3; 3],
            encoded_ecdh_public_key: vec![4; 4],
            attestation: Some(Attestation {
                version: 1,
                provider: "software".into(),
                payload: Some(AttestationReport {
                    report: "r".into(),
                    signature: vec![5],
                    signing_cert: vec![6],
                }),
                encoded_report: vec![7; 5],
                timestamp: 1_700_000_000,
            }),
        },
    );
    same(
        "GetEndpointResponse",
        GetEndpointResponse {
            encoded_endpoint_payload: Some(vec![1; 2]),
            signature: Some(vec![2; 64]),
        },
    );
}

#[test]
fn queries_and_certificates_are_what_the_sdk_writes() {
    same(
        "ContractQueryRequest",
        ContractQueryRequest {
            encoded_encrypted_data: vec![1; 5],
            signature: Some(Signature {
                signed_by: Some(Box::new(Certificate {
                    encoded_body: vec![2; 3],
                    signature: Some(Box::new(Signature {
                        signed_by: Some(Box::new(Certificate {
                            encoded_body: vec![3; 3],
                            signature: None,
                        })),
                        signature_type: SignatureType::Sr25519WrapBytes.into(),
                        signature: vec![4; 64],
                    })),
                })),
                signature_type: SignatureType::Sr25519.into(),
                signature: vec![5; 64],
            }),
            sign: false,
        },
    );
    same(
        "ContractQueryResponse",
        ContractQueryResponse {
            encoded_encrypted_data: vec![1; 9],
            ..Default::default()
        },
    );
}

#[test]
fn kinds_of_signatures_have_the_numbers_of_the_sdk() {
    for (name, kind) in [
        ("Sr25519", SignatureType::Sr25519),
        ("Ecdsa", SignatureType::Ecdsa),
        ("Ed25519WrapBytes", SignatureType::Ed25519WrapBytes),
        ("Sr25519WrapBytes", SignatureType::Sr25519WrapBytes),
        ("EcdsaWrapBytes", SignatureType::EcdsaWrapBytes),
        ("Eip712", SignatureType::Eip712),
    ] {
        same(
            &format!("SignatureType.{name}"),
            Signature {
                signed_by: None,
                signature_type: kind.into(),
                signature: vec![1],
            },
        );
    }
    // The first kind is the default: the SDK writes it out, this side leaves it away.
    let first = Signature::decode(&vector("SignatureType.Ed25519")[..]).unwrap();
    assert_eq!(
        SignatureType::try_from(first.signature_type),
        Ok(SignatureType::Ed25519)
    );
}

#[test]
fn certificates_keep_everything_on_the_way_to_their_verifier_and_back() {
    let request = ContractQueryRequest::decode(&vector("ContractQueryRequest")[..]).unwrap();
    let signature = request.signature.unwrap();
    let checked: certificate::Signature = signature.clone().try_into().unwrap();
    assert_eq!(checked.signature_type, SignatureType::Sr25519);
    assert_eq!(Signature::from(checked), signature);
}

#[test]
fn an_unknown_kind_of_signature_is_refused_wherever_it_stands() {
    let request = ContractQueryRequest::decode(&vector("ContractQueryRequest")[..]).unwrap();
    let mut signature = request.signature.unwrap();
    let certificate = signature.signed_by.as_mut().unwrap();
    certificate.signature.as_mut().unwrap().signature_type = 7;
    assert_eq!(
        certificate::Signature::try_from(signature.clone()),
        Err(UnknownSignatureType(7))
    );
    signature.signed_by = None;
    signature.signature_type = -1;
    assert_eq!(
        certificate::Signature::try_from(signature),
        Err(UnknownSignatureType(-1))
    );
}

#[test]
fn contracts_and_clusters_are_what_the_sdk_writes() {
    same(
        "GetContractInfoRequest",
        GetContractInfoRequest {
            contracts: vec!["0xaa".into(), "0xbb".into()],
        },
    );
    same(
        "GetContractInfoResponse",
        GetContractInfoResponse {
            contracts: vec![
                ContractInfo {
                    id: "0xaa".into(),
                    code_hash: "0xbb".into(),
                    weight: 3,
                    sidevm: Some(SidevmInfo {
                        state: "stopped".into(),
                        code_hash: "0xcc".into(),
                        start_time: "t".into(),
                        stop_reason: "r".into(),
                    }),
                },
                ContractInfo {
                    id: "0xdd".into(),
                    code_hash: "0xee".into(),
                    ..Default::default()
                },
            ],
        },
    );
    same(
        "GetClusterInfoResponse",
        GetClusterInfoResponse {
            info: Some(ClusterInfo {
                id: "0x01".into(),
                runtime_version: "1.2".into(),
                state_root: "0xaa".into(),
                contracts: vec!["0xbb".into(), "0xcc".into()],
            }),
        },
    );
}

#[test]
fn an_error_has_its_sentence_where_the_sdk_looks_for_it() {
    let error = PrpcError {
        message: "no".into(),
        code: String::new(),
    };
    assert_eq!(error.encode_to_vec(), b"\x0a\x02no");
}

#[test]
fn endless_nesting_is_refused_without_a_deep_stack() {
    let mut bytes = Vec::new();
    for level in 0..2_000 {
        // Certificates hold a signature in field 2, signatures a certificate in field 1.
        let mut outer = vec![if level % 2 == 0 { 0x0a } else { 0x12 }];
        prost::encode_length_delimiter(bytes.len(), &mut outer).unwrap();
        outer.append(&mut bytes);
        bytes = outer;
    }
    assert!(Certificate::decode(&bytes[..]).is_err());
    assert!(Signature::decode(&bytes[..]).is_err());
}
