//! Where a record's fields lie among its columns; for the code that the derive writes.
//!
//! A macro sees the name of a type and not what it means, so how many columns a field has is worked
//! out here, by the compiler, from [`FieldType::COLUMNS`](crate::FieldType::COLUMNS).

use crate::{Column, ColumnType};

/// One field: its columns and what they may be called.
#[derive(Clone, Copy, Debug)]
pub struct FieldShape {
    names: [&'static str; 2],
    types: &'static [ColumnType],
    nullable: bool,
}

impl FieldShape {
    /// A field of a type with these columns, the first of which are called `names`.
    ///
    /// # Panics
    ///
    /// A field type has other columns than one, or a timestamp and its nanoseconds; no table could
    /// name them.
    #[must_use]
    #[track_caller]
    pub const fn new(
        names: [&'static str; 2],
        types: &'static [ColumnType],
        nullable: bool,
    ) -> Self {
        assert!(
            matches!(types, [_] | [ColumnType::Timestamp, ColumnType::Nanos]),
            "a field has one column, or a timestamp and its nanoseconds"
        );
        Self {
            names,
            types,
            nullable,
        }
    }
}

/// The fields of a record.
#[derive(Clone, Copy, Debug)]
pub struct Shape<const FIELDS: usize> {
    fields: [FieldShape; FIELDS],
}

impl<const FIELDS: usize> Shape<FIELDS> {
    /// A record with these fields.
    #[must_use]
    pub const fn new(fields: [FieldShape; FIELDS]) -> Self {
        Self { fields }
    }

    /// How many columns there are.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.position(FIELDS)
    }

    /// The position of the first column of the field at `field`.
    #[must_use]
    pub const fn position(&self, field: usize) -> usize {
        let (mut fields, mut left, mut position) = (self.fields.as_slice(), field, 0);
        while let [first, rest @ ..] = fields
            && left > 0
        {
            position += first.types.len();
            left -= 1;
            fields = rest;
        }
        position
    }

    /// The columns, of which there are [`width`](Self::width).
    #[must_use]
    pub const fn columns<const COLUMNS: usize>(&self) -> [Column; COLUMNS] {
        let mut columns = [Column {
            name: "",
            ty: ColumnType::Bool,
            nullable: false,
        }; COLUMNS];
        let mut free = columns.as_mut_slice();
        let mut fields = self.fields.as_slice();
        while let [field, rest @ ..] = fields {
            let (mut names, mut types) = (field.names.as_slice(), field.types);
            while let ([name, other_names @ ..], [ty, other_types @ ..]) = (names, types) {
                let [column, others @ ..] = free else {
                    return columns;
                };
                *column = Column {
                    name,
                    ty: *ty,
                    nullable: field.nullable,
                };
                (names, types, free) = (other_names, other_types, others);
            }
            fields = rest;
        }
        columns
    }
}
