//! Whose a value is, under which key, of which version.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::Kept;

/// The values of one database, or of one store in it.
///
/// Made of a secret that is kept in that database: two databases on one Redis never meet, not even where they have the
/// same name, and nobody makes values for a database that they cannot read.
#[derive(Clone)]
pub struct Space(Arc<[u8; 32]>);

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Space").finish_non_exhaustive()
    }
}

impl Space {
    /// The space of a secret and of what tells stores apart that may share it: the name of the schema, for one. A copy
    /// of a database has its secret as well, so say what a copy does not have too.
    #[must_use]
    pub fn new<'a>(secret: &[u8], parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        add(&mut hash, b"annals");
        add(&mut hash, secret);
        for part in parts {
            add(&mut hash, part);
        }
        Self(Arc::new(hash.finalize().into()))
    }

    /// The key of a value.
    pub(crate) fn key<T: Kept>(&self, key: &[u8]) -> Key {
        let mut code = self.code();
        for part in [T::KIND.as_bytes(), &T::FORMAT.to_be_bytes(), key] {
            code.update(&length(part));
            code.update(part);
        }
        Key(code.finalize().into_bytes().into())
    }

    /// The code of a value's bytes, which nobody makes who does not know the secret.
    pub(crate) fn seal(&self, key: &Key, bytes: &[u8]) -> [u8; 32] {
        self.sealing(key, bytes).finalize().into_bytes().into()
    }

    /// Whether that is the code of these bytes under this key.
    pub(crate) fn is_sealed(&self, key: &Key, bytes: &[u8], seal: &[u8]) -> bool {
        self.sealing(key, bytes).verify_slice(seal).is_ok()
    }

    fn sealing(&self, key: &Key, bytes: &[u8]) -> Hmac<Sha256> {
        let mut code = self.code();
        code.update(b"value");
        code.update(&key.0);
        code.update(bytes);
        code
    }

    #[expect(
        clippy::expect_used,
        reason = "a key of any length will do, says the trait's implementation"
    )]
    fn code(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&*self.0).expect("a key of any length")
    }
}

/// The key of a value: of fixed length whatever its name is, and told by nothing that is in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Its name in Redis, with the kind, so that an operator can tell what takes room.
    pub(crate) fn name<T: Kept>(&self) -> String {
        let mut name = format!("annals:{}:", T::KIND);
        for byte in self.0.iter().take(20) {
            name.push_str(&format!("{byte:02x}"));
        }
        name
    }
}

/// Which state of the database a value is of. Two are equal when everything is that they were made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 32]);

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Version({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

impl Version {
    /// The version that is made of these parts, in this order.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            add(&mut hash, part);
        }
        Self(hash.finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// With its length before it, so that no two lists of parts are one text.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update(length(part));
    hash.update(part);
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}
