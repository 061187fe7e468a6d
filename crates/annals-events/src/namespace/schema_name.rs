//! Which schema keeps a namespace's tables.

use sha2::{Digest as _, Sha256};

/// Longest id that names its schema as it is.
const PLAIN: usize = 40;

/// The schema of a new namespace: `tsdb_<id>` for hypertables, else `eventodb_<id>`.
///
/// An id of up to 40 of `a` to `z`, `0` to `9` and `_` stands there as it is. Any other becomes the beginning of
/// itself in such letters and a digest of 40 digits, which is longer than an id that stands as it is,
/// so that no two ids ever share a schema. PostgreSQL's names have 63 bytes at most, and so do these.
pub(crate) fn schema_name(id: &str, hypertables: bool) -> String {
    let prefix = if hypertables { "tsdb" } else { "eventodb" };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=PLAIN).contains(&id.len()) && id.bytes().all(is_plain) {
        return format!("{prefix}_{id}");
    }
    let slug: String = id
        .bytes()
        .take(12)
        .map(|byte| byte.to_ascii_lowercase())
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte)
            } else {
                '_'
            }
        })
        .collect();
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut digest = hex::encode(digest);
    digest.truncate(PLAIN);
    format!("{prefix}_{slug}_{digest}")
}

/// Whether a schema is of a namespace that was made where there are hypertables.
pub(crate) fn is_of_hypertables(schema: &str) -> bool {
    schema.starts_with("tsdb_")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plain_ids_name_their_schema() {
        assert_eq!(schema_name("default", true), "tsdb_default");
        assert_eq!(schema_name("my_app_2", false), "eventodb_my_app_2");
        let longest = "a".repeat(40);
        assert_eq!(schema_name(&longest, true), format!("tsdb_{longest}"));
    }

    #[test]
    fn no_two_ids_share_a_schema_and_every_name_fits() {
        let long = "tenant_".repeat(9);
        let ids = [
            "a-b",
            "a_b",
            "A_b",
            "a_B",
            "a b",
            "",
            "é",
            "日本語",
            &format!("{long}1"),
            &format!("{long}2"),
            "x",
        ];
        let mut seen = HashSet::new();
        for id in ids {
            let name = schema_name(id, false);
            assert!(name.len() <= 63, "{name}");
            // The name of a name is another's, too.
            let twice = schema_name(name.trim_start_matches("eventodb_"), false);
            assert!(seen.insert(name.clone()), "{name}");
            assert!(name == twice || seen.insert(twice));
        }
    }
}
