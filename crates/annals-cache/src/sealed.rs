//! The bytes of a value in Redis.
//!
//! Layout, integers big-endian: format (1 byte, 1), how it is packed (1: 0 not, 1 zstd), when it was made (8, seconds since
//! the epoch), length unpacked (4), version (32), the value, seal (32: HMAC-SHA256 of the space over the key and all that
//! comes before it).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Space, Version, counts::Outcome, key::Key, memory::is_young};

const FORMAT: u8 = 1;
const HEAD: usize = 1 + 1 + 8 + 4 + 32;
const SEAL: usize = 32;

/// What the layout adds to a value.
pub(crate) const OVERHEAD: usize = HEAD + SEAL;

/// Values from this size on are packed: below it there is little to win.
const PACKED_FROM: usize = 1024;

/// The fastest that is worth it: attributes repeat themselves from span to span.
const LEVEL: i32 = 1;

/// A value that was opened.
pub(crate) struct Opened {
    pub(crate) bytes: Vec<u8>,
    pub(crate) since: SystemTime,
}

/// The bytes of a value, sealed.
pub(crate) fn seal(
    space: &Space,
    key: &Key,
    version: &Version,
    since: SystemTime,
    value: &[u8],
) -> Option<Vec<u8>> {
    let length = u32::try_from(value.len()).ok()?;
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let packed = (value.len() >= PACKED_FROM)
        .then(|| zstd::bulk::compress(value, LEVEL).ok())
        .flatten()
        .filter(|packed| packed.len() < value.len());
    let body = packed.as_deref().unwrap_or(value);
    let mut bytes = Vec::with_capacity(OVERHEAD + body.len());
    bytes.push(FORMAT);
    bytes.push(packed.is_some().into());
    bytes.extend(since.as_secs().to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(version.as_bytes());
    bytes.extend(body);
    let seal = space.seal(key, &bytes);
    bytes.extend(seal);
    Some(bytes)
}

/// Opens what was found under a key. Whoever can write to Redis can write anything: nothing is done with it, unpacking
/// included, before the seal is known to be right.
pub(crate) fn open(
    space: &Space,
    key: &Key,
    version: &Version,
    ttl: Duration,
    largest: usize,
    bytes: &[u8],
) -> Result<Opened, Outcome> {
    read(space, key, version, ttl, largest, bytes).unwrap_or(Err(Outcome::Error))
}

fn read(
    space: &Space,
    key: &Key,
    version: &Version,
    ttl: Duration,
    largest: usize,
    bytes: &[u8],
) -> Option<Result<Opened, Outcome>> {
    let (sealed, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
    let (head, body) = sealed.split_at_checked(HEAD)?;
    let (format, head) = head.split_first()?;
    if *format != FORMAT || !space.is_sealed(key, sealed, seal) {
        return None;
    }
    let (packed, head) = head.split_first()?;
    let (since, head) = head.split_first_chunk::<8>()?;
    let (length, found) = head.split_first_chunk::<4>()?;
    if found != version.as_bytes() {
        return Some(Err(Outcome::Stale));
    }
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*since)))?;
    if !is_young(since, ttl) {
        return Some(Err(Outcome::Miss));
    }
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > largest {
        return None;
    }
    let bytes = match packed {
        0 => body.to_vec(),
        1 => zstd::bulk::decompress(body, length).ok()?,
        _ => return None,
    };
    (bytes.len() == length).then_some(Ok(Opened { bytes, since }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Kept;

    struct Text;

    impl Kept for Text {
        const KIND: &'static str = "text";
        const FORMAT: u16 = 1;
        fn to_bytes(&self) -> Vec<u8> {
            Vec::new()
        }
        fn from_bytes(_: &[u8]) -> Option<Self> {
            Some(Self)
        }
        fn weight(&self) -> usize {
            0
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn place() -> (Space, Key, Version) {
        let space = Space::new(b"secret", [&b"public"[..]]);
        let key = space.key::<Text>(b"a");
        (space, key, Version::of([&b"1"[..]]))
    }

    fn outcome(opened: Result<Opened, Outcome>) -> Result<Vec<u8>, Outcome> {
        opened.map(|opened| opened.bytes)
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_and_no_bit_of_it_may_differ(
            value in prop::collection::vec(any::<u8>(), 0..3000),
            repeated in 1..4_usize,
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let (space, key, version) = place();
            let value = value.repeat(repeated);
            let sealed = seal(&space, &key, &version, SystemTime::now(), &value).unwrap();
            let opened = open(&space, &key, &version, HOUR, 1 << 20, &sealed);
            prop_assert_eq!(outcome(opened), Ok(value));
            let mut other = sealed.clone();
            other[at.index(sealed.len())] ^= 1 << bit;
            let opened = open(&space, &key, &version, HOUR, 1 << 20, &other);
            prop_assert_eq!(outcome(opened), Err(Outcome::Error));
            let cut = &sealed[..at.index(sealed.len())];
            prop_assert_eq!(outcome(open(&space, &key, &version, HOUR, 1 << 20, cut)), Err(Outcome::Error));
        }

        #[test]
        fn nothing_that_somebody_made_up_is_opened(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let (space, key, version) = place();
            prop_assert_eq!(outcome(open(&space, &key, &version, HOUR, 1 << 20, &bytes)), Err(Outcome::Error));
        }
    }

    #[test]
    fn a_value_is_of_one_space_key_and_version_and_of_an_age_and_size() {
        let (space, key, version) = place();
        let now = SystemTime::now();
        let value = vec![7; 5000];
        let sealed = seal(&space, &key, &version, now, &value).unwrap();
        assert!(sealed.len() < 200, "it was not packed");
        let opened = |space: &Space, key: &Key, version: &Version, ttl, largest| {
            outcome(open(space, key, version, ttl, largest, &sealed))
        };
        assert_eq!(opened(&space, &key, &version, HOUR, 5000), Ok(value));
        let other = Space::new(b"secret", [&b"other"[..]]);
        assert_eq!(
            opened(&other, &key, &version, HOUR, 5000),
            Err(Outcome::Error)
        );
        let other = space.key::<Text>(b"b");
        assert_eq!(
            opened(&space, &other, &version, HOUR, 5000),
            Err(Outcome::Error)
        );
        let other = Version::of([&b"2"[..]]);
        assert_eq!(
            opened(&space, &key, &other, HOUR, 5000),
            Err(Outcome::Stale)
        );
        assert_eq!(
            opened(&space, &key, &version, HOUR, 4999),
            Err(Outcome::Error)
        );
        assert_eq!(
            opened(&space, &key, &version, Duration::ZERO, 5000),
            Err(Outcome::Miss)
        );
    }
}
