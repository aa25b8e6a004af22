//! Signatures: good ones, and every part of them spoiled.

/// The cases of all of them.
pub(super) fn signature_cases() -> Vec<String> {
    let data = |at: u32, bytes: &[u8]| -> String {
        bytes
            .iter()
            .enumerate()
            .map(|(index, byte)| {
                format!(
                    "(i32.store8 (i32.const {}) (i32.const {byte}))",
                    at as usize + index
                )
            })
            .collect()
    };
    let mut cases = Vec::new();
    let key = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let hash = [5; 32];
    let (signature, recovery) = key.sign_prehash_recoverable(&hash).unwrap();
    let mut good = signature.to_bytes().to_vec();
    good.push(recovery.to_byte());
    let mut ecdsa = vec![good.clone(), vec![0; 65], vec![0xff; 65]];
    for (at, with) in [
        (64, 4),
        (64, 27),
        (64, 28),
        (64, 2),
        (64, 3),
        (64, 255),
        (0, 0),
        (40, 9),
    ] {
        let mut spoiled = good.clone();
        spoiled[at] = with;
        ecdsa.push(spoiled);
    }
    let mut plus_27 = good.clone();
    plus_27[64] += 27;
    ecdsa.push(plus_27);
    // s in the upper half: valid for recovery, though not canonical.
    let high = k256::ecdsa::Signature::from_scalars(*signature.r(), -*signature.s()).unwrap();
    let mut high = high.to_bytes().to_vec();
    high.push(recovery.to_byte() ^ 1);
    ecdsa.push(high);
    for signature in ecdsa {
        cases.push(format!(
            "{} {} (call $log (call $seal0.ecdsa_recover (i32.const 0x4000) (i32.const 0x4100)
                (i32.const 0x1000))) (call $bytes (i32.const 0x1000) (i32.const 33))",
            data(0x4000, &signature),
            data(0x4100, &hash)
        ));
    }
    for (signature, hash, out) in [(0x1fff0, 0, 0x1000), (0, 0x1fff0, 0x1000), (0, 0, 0x1fff0)] {
        cases.push(format!(
            "{} (call $log (call $seal0.ecdsa_recover (i32.const {}) (i32.const {})
                (i32.const {out})))",
            data(0x4000, &good),
            if signature == 0 { 0x4000 } else { signature },
            if hash == 0 { 0x4100 } else { hash },
        ));
    }
    let public = key.verifying_key().to_encoded_point(true);
    let mut keys = vec![
        public.as_bytes().to_vec(),
        vec![0; 33],
        vec![2; 33],
        vec![0xff; 33],
    ];
    keys.push([&[4][..], &public.as_bytes()[1..]].concat());
    for key in keys {
        cases.push(format!(
            "{} (call $log (call $seal0.ecdsa_to_eth_address (i32.const 0x4000)
                (i32.const 0x1000))) (call $bytes (i32.const 0x1000) (i32.const 20))",
            data(0x4000, &key)
        ));
    }
    cases.push(
        "(call $log (call $seal0.ecdsa_to_eth_address (i32.const 0x1fff0) (i32.const 0x1000)))"
            .into(),
    );
    let pair = schnorrkel::MiniSecretKey::from_bytes(&[3; 32])
        .unwrap()
        .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
    for (context, message, spoil) in [
        (&b"substrate"[..], &b"message"[..], None),
        (b"substrate", b"", None),
        (b"other", b"message", None),
        (b"substrate", b"message", Some(0)),
        (b"substrate", b"message", Some(63)),
    ] {
        let mut signature = pair.sign_simple(context, message).to_bytes();
        if let Some(at) = spoil {
            signature[at] ^= 0x80;
        }
        for key in [pair.public.to_bytes(), [0; 32], [0xff; 32]] {
            cases.push(format!(
                "{} {} {} (call $log (call $seal0.sr25519_verify (i32.const 0x4000)
                    (i32.const 0x4100) (i32.const {}) (i32.const 0x4200)))",
                data(0x4000, &signature),
                data(0x4100, &key),
                data(0x4200, message),
                message.len()
            ));
        }
    }
    for (signature, key, length, message) in [
        (0x1fff0, 0x4000, 3, 0x4000),
        (0x4000, 0x1fff0, 3, 0x4000),
        (0x4000, 0x4000, 17, 0x1fff0),
        (0x4000, 0x4000, -1, 0x4000),
    ] {
        cases.push(format!(
            "(call $log (call $seal0.sr25519_verify (i32.const {signature}) (i32.const {key})
                (i32.const {length}) (i32.const {message})))"
        ));
    }
    cases
}
