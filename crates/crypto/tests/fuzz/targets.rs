//! What is sealed to somebody's key and travels in the open, made of bytes: keys, code and arguments
//! of private deployments. The test beside this file runs the target on random bytes, libFuzzer
//! (`fuzz` at the root) on bytes that find new paths.

use codec::{DecodeAll, Encode};
use phat_crypto::{
    Keypair, TransportSecret, Zeroizing,
    contexts::{self, Context},
    envelope::{open_data, open_key, seal_data, seal_key},
};
use phat_fuzzing::{Input, Repeatable};
use phat_primitives::{
    AccountId, ClusterId, Hash,
    limits::EPOCHS_PER_CHAIN,
    message::{ResourceKind, SealedKey},
    private::{CODE_STEP, PrivateUpload, SealedData, binding, padded, unpadded},
};
use std::sync::LazyLock;

/// The purposes that there are, each with what else a seal is bound to.
const PURPOSES: &[(Context, &[u8])] = &[
    (contexts::CLUSTER_KEY_TRANSPORT, b"cluster one"),
    (contexts::CLUSTER_KEY_TRANSPORT, b"cluster two"),
    (contexts::MASTER_KEY_TRANSPORT, &[0; 4]),
    (contexts::TRANSPORT_SECRET_TRANSPORT, &[0; 36]),
    (contexts::PRIVATE_UPLOAD, b"cluster one"),
];
const SECRET: [u8; 32] = [9; 32];
const CLUSTER: ClusterId = Hash::repeat_byte(4);
const SENDER: AccountId = AccountId([5; 32]);

/// The recipient, a key of a cluster and a private upload of fixed content.
struct Sealed {
    recipient: Keypair,
    keys: Vec<SealedKey>,
    transport: TransportSecret,
    upload: SealedData,
}

static SEALED: LazyLock<Sealed> = LazyLock::new(|| {
    let recipient = Keypair::from_seed([1; 32]);
    let transport = TransportSecret::new(0, 3, Zeroizing::new([6; 32]));
    let keys = PURPOSES.iter().map(|(purpose, data)| {
        seal_key(
            &recipient.public(),
            &SECRET,
            *purpose,
            data,
            &mut Repeatable(7),
        )
        .expect("the recipient is a key")
    });
    let keys = keys.collect();
    let upload = seal_upload(&transport, &padded(&upload(), CODE_STEP));
    Sealed {
        recipient,
        keys,
        transport,
        upload,
    }
});

fn upload() -> PrivateUpload {
    PrivateUpload {
        kind: ResourceKind::InkCode,
        code: b"\0asm of some length".to_vec(),
    }
}

fn seal_upload(transport: &TransportSecret, plain: &[u8]) -> SealedData {
    let public = transport.keypair().public();
    let data = binding(&CLUSTER, &SENDER);
    let data = seal_data(
        &public,
        plain,
        contexts::PRIVATE_UPLOAD,
        &data,
        &mut Repeatable(8),
    )
    .expect("the recipient is a key");
    SealedData {
        epoch: transport.epoch(),
        data,
    }
}

/// Opens a sealed key and a private upload that were changed, or that hold anything at all. Answers
/// whether one of them opened.
pub(crate) fn sealed(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let key = key(&mut input);
    let upload = match input.one_in(2) {
        true => any_content(&mut input),
        false => changed_upload(&mut input),
    };
    key || upload
}

fn key(input: &mut Input<'_>) -> bool {
    let Sealed {
        recipient, keys, ..
    } = &*SEALED;
    let made_for = input.below(keys.len());
    let mut bytes = keys[made_for].encode();
    input.bend_often(&mut bytes, 2);
    let Ok(sealed) = SealedKey::decode_all(&mut &bytes[..]) else {
        return false;
    };
    let opened_for = match input.one_in(2) {
        true => input.below(keys.len()),
        false => made_for,
    };
    let (purpose, data) = PURPOSES[opened_for];
    let opened = open_key(recipient, &sealed, purpose, data);
    let is_good = made_for == opened_for && sealed == keys[made_for];
    assert_eq!(opened.is_ok(), is_good);
    if let Ok(secret) = opened {
        assert_eq!(*secret, SECRET);
    }
    is_good
}

/// What a worker does with a private upload.
fn open(sealed: &SealedData) -> Option<Zeroizing<Vec<u8>>> {
    let key = SEALED.transport.at(sealed.epoch)?.keypair();
    let data = binding(&CLUSTER, &SENDER);
    open_data(&key, &sealed.data, contexts::PRIVATE_UPLOAD, &data).ok()
}

fn changed_upload(input: &mut Input<'_>) -> bool {
    let mut bytes = SEALED.upload.encode();
    input.bend_often(&mut bytes, 2);
    let Ok(sealed) = SealedData::decode_all(&mut &bytes[..]) else {
        return false;
    };
    let opened = open(&sealed);
    assert_eq!(opened.is_some(), sealed == SEALED.upload);
    opened.is_some_and(|plain| unpadded(&plain) == Some(upload()))
}

/// Who has the cluster's public key can put in whatever they like.
fn any_content(input: &mut Input<'_>) -> bool {
    let mut content = upload().encode();
    content.resize(200, 0);
    input.bend_often(&mut content, 4);
    let epoch = input.word();
    let first = input.word();
    let sealed = seal_upload(&SEALED.transport, &content);
    let plain = open(&sealed).expect("it was sealed properly");
    assert_eq!(*plain, content);
    let found = unpadded::<PrivateUpload>(&plain);
    if let Some(found) = &found {
        assert!(content.starts_with(&found.encode()));
    }
    // Secrets of chains that cannot be: they tell what they can, in bounded time.
    let strange = TransportSecret::new(first, epoch, Zeroizing::new([1; 32]));
    let wanted = epoch.saturating_sub(u32::from(input.byte()));
    let earlier = strange.at(wanted);
    assert_eq!(earlier.is_some(), (first..=epoch).contains(&wanted));
    assert!(epoch.saturating_sub(wanted) < EPOCHS_PER_CHAIN);
    found.is_some()
}
