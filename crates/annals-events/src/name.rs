//! Names of streams, their categories, and who in a consumer group reads them.
//!
//! The rules are Message DB's: everything before the first `-` is the category, everything after it the
//! id, and the id up to the first `+` is the cardinal id, by which consumer groups divide streams.

use md5::{Digest as _, Md5};

/// The category of a stream: all before the first `-`, or the whole name when there is none.
#[must_use]
pub fn category(stream: &str) -> &str {
    stream
        .split_once('-')
        .map_or(stream, |(category, _)| category)
}

/// The id in a stream's name: all after the first `-`.
#[must_use]
pub fn id(stream: &str) -> Option<&str> {
    stream.split_once('-').map(|(_, id)| id)
}

/// The id up to the first `+`, by which consumer groups divide streams.
#[must_use]
pub fn cardinal_id(stream: &str) -> Option<&str> {
    let id = id(stream)?;
    Some(id.split_once('+').map_or(id, |(cardinal, _)| cardinal))
}

/// Message DB's `hash_64`: the first eight bytes of the MD5 digest, as a signed integer.
#[must_use]
pub fn hash_64(value: &str) -> i64 {
    let digest: [u8; 16] = Md5::digest(value.as_bytes()).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// One reader of several that share a category: each reads the streams whose cardinal id's hash is its
/// own, modulo their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroup {
    member: i64,
    size: i64,
}

impl ConsumerGroup {
    /// Member `member`, from 0, of `size`. `None` unless 0 <= `member` < `size`.
    #[must_use]
    pub const fn new(member: i64, size: i64) -> Option<Self> {
        if member >= 0 && member < size {
            Some(Self { member, size })
        } else {
            None
        }
    }

    /// Which member, from 0.
    #[must_use]
    pub const fn member(self) -> i64 {
        self.member
    }

    /// How many members there are.
    #[must_use]
    pub const fn size(self) -> i64 {
        self.size
    }

    /// Whether the member reads a stream. Nobody reads one without an id.
    #[must_use]
    pub fn reads(self, stream: &str) -> bool {
        cardinal_id(stream).is_some_and(|id| {
            let hash = hash_64(id).unsigned_abs();
            hash % self.size.unsigned_abs() == self.member.unsigned_abs()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_at_the_first_dash_and_plus() {
        let cases = [
            ("account-123", "account", Some("123"), Some("123")),
            ("account-123+x+y", "account", Some("123+x+y"), Some("123")),
            ("account", "account", None, None),
            (
                "account:command-1-2",
                "account:command",
                Some("1-2"),
                Some("1-2"),
            ),
            ("account-", "account", Some(""), Some("")),
            ("-1", "", Some("1"), Some("1")),
            ("a+b-c", "a+b", Some("c"), Some("c")),
        ];
        for (name, of_category, of_id, cardinal) in cases {
            assert_eq!(category(name), of_category, "{name}");
            assert_eq!(id(name), of_id, "{name}");
            assert_eq!(cardinal_id(name), cardinal, "{name}");
        }
    }

    #[test]
    fn the_hash_is_message_db_s() {
        let cases = [
            ("0", -3_473_083_983_811_222_033, [1, 1, 1, 1]),
            ("1", -4_266_524_885_998_034_046, [0, 0, 2, 14]),
            ("2", -4_026_655_064_267_673_757, [1, 1, 1, 13]),
            ("3", -1_383_792_015_730_482_434, [0, 2, 2, 2]),
            ("4", -6_305_049_951_010_035_939, [1, 0, 3, 3]),
            ("123", 2_318_431_741_638_412_123, [1, 1, 3, 11]),
            ("abc", -8_070_080_442_485_551_184, [0, 2, 0, 0]),
            ("é", 7_412_306_613_632_936_882, [0, 2, 2, 2]),
        ];
        for (id, hash, members) in cases {
            assert_eq!(hash_64(id), hash, "{id}");
            for (size, member) in [2, 3, 4, 16].into_iter().zip(members) {
                let group = ConsumerGroup::new(member, size).unwrap();
                assert!(group.reads(&format!("account-{id}")), "{id} {size}");
                assert!(group.reads(&format!("account-{id}+more")), "{id} {size}");
            }
        }
    }

    #[test]
    fn every_stream_with_an_id_has_one_reader() {
        for size in 1..20 {
            let groups: Vec<_> = (0..size)
                .map(|member| ConsumerGroup::new(member, size).unwrap())
                .collect();
            for id in 0..200 {
                let stream = format!("account-{id}");
                assert_eq!(
                    groups.iter().filter(|group| group.reads(&stream)).count(),
                    1
                );
            }
            assert!(!groups.iter().any(|group| group.reads("account")));
            assert_eq!(
                groups
                    .iter()
                    .filter(|group| group.reads("account-"))
                    .count(),
                1
            );
        }
        assert_eq!(ConsumerGroup::new(2, 2), None);
        assert_eq!(ConsumerGroup::new(-1, 2), None);
        assert_eq!(ConsumerGroup::new(0, 0), None);
    }
}
