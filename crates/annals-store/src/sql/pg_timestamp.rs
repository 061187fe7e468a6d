//! A timestamp as a bound parameter of PostgreSQL, alone or in an array.

use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, types::Oid},
};

/// Microseconds from 1970-01-01 to 2000-01-01, the epoch of a `timestamptz`.
const EPOCH_2000: i64 = 946_684_800_000_000;

/// Microseconds since 1970-01-01 as a `timestamptz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgTimestamp(pub i64);

impl PgTimestamp {
    /// The wire form.
    pub(crate) const fn to_wire(self) -> [u8; 8] {
        self.0.saturating_sub(EPOCH_2000).to_be_bytes()
    }

    /// Reads the wire form.
    pub(crate) const fn from_wire(bytes: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(bytes).saturating_add(EPOCH_2000))
    }
}

impl Type<Postgres> for PgTimestamp {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for PgTimestamp {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for PgTimestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.to_wire());
        Ok(IsNull::No)
    }
}
