//! What published clients read in the metadata: names of pallets, storage, calls and events, and
//! the order of fields.

use super::*;
use frame_support::__private::metadata::v14::{
    PalletMetadata, RuntimeMetadataV14, StorageEntryType,
};
use scale_info::form::PortableForm;
use scale_info::{TypeDef, TypeDefPrimitive};

fn metadata() -> RuntimeMetadataV14 {
    development().execute_with(|| {
        let bytes: OpaqueMetadata = call("Metadata_metadata", ());
        let metadata =
            frame_support::__private::metadata::RuntimeMetadataPrefixed::decode(&mut &bytes[..]);
        match metadata.expect("the metadata decodes").1 {
            RuntimeMetadata::V14(metadata) => metadata,
            _ => panic!("the default metadata is V14"),
        }
    })
}

fn pallet<'a>(metadata: &'a RuntimeMetadataV14, name: &str) -> &'a PalletMetadata<PortableForm> {
    let mut pallets = metadata.pallets.iter();
    pallets.find(|pallet| pallet.name == name).expect(name)
}

fn type_def(metadata: &RuntimeMetadataV14, id: u32) -> &TypeDef<PortableForm> {
    &metadata
        .types
        .resolve(id)
        .expect("the type is there")
        .type_def
}

/// Names of the fields of a variant of a pallet's call or event.
fn fields(metadata: &RuntimeMetadataV14, id: u32, variant: &str) -> Vec<String> {
    let TypeDef::Variant(variants) = type_def(metadata, id) else {
        panic!("calls and events are enums");
    };
    let mut variants = variants.variants.iter();
    let variant = variants.find(|v| v.name == variant).expect(variant);
    let names = variant.fields.iter().map(|field| field.name.clone());
    names.map(|name| name.expect("fields have names")).collect()
}

#[test]
fn clients_find_the_storage_that_they_read() {
    let metadata = metadata();
    for (name, entries) in [
        (
            "PhalaPhatContracts",
            &["Clusters", "ClusterContracts", "ClusterWorkers"][..],
        ),
        ("PhalaRegistry", &["ContractKeys", "Endpoints"][..]),
        (
            "PhalaPhatTokenomic",
            &["ContractTotalStakes", "ContractUserStakes", "MinStake"][..],
        ),
    ] {
        let storage = pallet(&metadata, name).storage.as_ref().expect(name);
        for entry in entries {
            assert!(
                storage.entries.iter().any(|e| e.name == *entry),
                "{name}::{entry} is missing"
            );
        }
    }
}

#[test]
fn clients_find_the_calls_with_the_fields_in_their_order() {
    let metadata = metadata();
    let calls = pallet(&metadata, "PhalaPhatContracts").calls.as_ref();
    let calls = calls.expect("the pallet has calls").ty.id;
    for (name, expected) in [
        (
            "cluster_upload_resource",
            &["cluster_id", "resource_type", "resource_data"][..],
        ),
        (
            "transfer_to_cluster",
            &["amount", "cluster_id", "dest_account"],
        ),
        (
            "instantiate_contract",
            &[
                "code_index",
                "data",
                "salt",
                "cluster_id",
                "transfer",
                "gas_limit",
                "storage_deposit_limit",
                "deposit",
            ],
        ),
        (
            "push_contract_message",
            &["contract_id", "payload", "deposit"],
        ),
    ] {
        assert_eq!(fields(&metadata, calls, name), expected, "{name}");
    }
    let tokenomic = pallet(&metadata, "PhalaPhatTokenomic");
    let calls = tokenomic
        .calls
        .as_ref()
        .expect("the pallet has calls")
        .ty
        .id;
    assert_eq!(
        fields(&metadata, calls, "adjust_stake"),
        ["contract", "amount"]
    );
    let events = tokenomic
        .event
        .as_ref()
        .expect("the pallet has events")
        .ty
        .id;
    assert_eq!(
        fields(&metadata, events, "UserStakeChanged"),
        ["cluster", "account", "contract", "stake"]
    );
}

#[test]
fn clients_find_the_event_that_names_their_contract() {
    let metadata = metadata();
    let events = pallet(&metadata, "PhalaPhatContracts").event.as_ref();
    let events = events.expect("the pallet has events").ty.id;
    assert_eq!(
        fields(&metadata, events, "Instantiating"),
        ["contract", "cluster", "deployer"]
    );
}

#[test]
fn clients_read_endpoints_as_text() {
    let metadata = metadata();
    let storage = pallet(&metadata, "PhalaRegistry").storage.as_ref();
    let mut entries = storage.expect("the pallet has storage").entries.iter();
    let entry = entries.find(|entry| entry.name == "Endpoints");
    let StorageEntryType::Map { value, .. } = entry.expect("the entry exists").ty else {
        panic!("endpoints are a map");
    };
    let TypeDef::Variant(versions) = type_def(&metadata, value.id) else {
        panic!("endpoints have versions");
    };
    assert_eq!(versions.variants[0].name, "V1");
    let mut id = versions.variants[0].fields[0].ty.id;
    if let TypeDef::Composite(bounded) = type_def(&metadata, id) {
        id = bounded.fields[0].ty.id;
    }
    let TypeDef::Sequence(urls) = type_def(&metadata, id) else {
        panic!("endpoints are a list");
    };
    assert_eq!(
        type_def(&metadata, urls.type_param.id),
        &TypeDef::Primitive(TypeDefPrimitive::Str)
    );
}
