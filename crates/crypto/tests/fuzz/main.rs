//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_is_made_of_sealed_keys_and_data_they_open_unchanged_and_for_their_purpose_or_not_at_all()
 {
    short::run(targets::sealed, 800, 60, 10);
}
