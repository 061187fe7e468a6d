//! A record's shape as data: what the derive writes down and every backend reads.

use std::time::Duration;

/// Everything that a backend has to know about a record, known at compile time.
#[derive(Debug)]
#[non_exhaustive]
pub struct Descriptor {
    /// Table name, without schema or prefix.
    pub table: &'static str,
    /// Columns as stored, in the order in which values are visited.
    pub columns: &'static [Column],
    /// Positions in [`columns`](Self::columns) that make a row unique; empty for append-only records.
    pub key: &'static [usize],
    /// Position of the column that partitions a hypertable by time.
    pub time: Option<usize>,
    /// What a second row with the same key does, unless its writer says otherwise.
    pub on_conflict: OnConflict,
    /// What becomes of two values under [`OnConflict::Merge`], column by column; of a column that is
    /// not here the new value.
    pub merge: &'static [(usize, Merge)],
    /// Position of the column that orders the versions of a row, for [`OnConflict::Newer`].
    pub newer_by: Option<usize>,
    /// Time range that one chunk covers, where tables are hypertables.
    pub chunk: Option<ChunkInterval>,
    /// Column whose values share a compressed segment.
    pub segment_by: Option<usize>,
    /// Order of rows inside a compressed segment.
    pub order_by: &'static [SortColumn],
    /// Secondary indexes.
    pub indexes: &'static [Index],
}

impl Descriptor {
    /// Writes a descriptor down; the derive calls this, so that a new field here breaks no record.
    #[must_use]
    pub const fn new(table: &'static str, columns: &'static [Column]) -> Self {
        Self {
            table,
            columns,
            key: &[],
            time: None,
            on_conflict: OnConflict::Ignore,
            merge: &[],
            newer_by: None,
            chunk: None,
            segment_by: None,
            order_by: &[],
            indexes: &[],
        }
    }

    /// Sets the key and what a second row with the same key does.
    #[must_use]
    pub const fn with_key(mut self, key: &'static [usize], on_conflict: OnConflict) -> Self {
        self.key = key;
        self.on_conflict = on_conflict;
        self
    }

    /// Sets what becomes of two values when rows are merged.
    #[must_use]
    pub const fn with_merge(mut self, merge: &'static [(usize, Merge)]) -> Self {
        self.merge = merge;
        self
    }

    /// Sets the column that orders the versions of a row.
    #[must_use]
    pub const fn with_newer_by(mut self, column: usize) -> Self {
        self.newer_by = Some(column);
        self
    }

    /// Sets the time column and the range of one chunk.
    #[must_use]
    pub const fn with_time(mut self, column: usize, chunk: ChunkInterval) -> Self {
        self.time = Some(column);
        self.chunk = Some(chunk);
        self
    }

    /// Sets how chunks are laid out once they are compressed.
    #[must_use]
    pub const fn with_layout(
        mut self,
        segment_by: Option<usize>,
        order_by: &'static [SortColumn],
    ) -> Self {
        self.segment_by = segment_by;
        self.order_by = order_by;
        self
    }

    /// Sets the secondary indexes.
    #[must_use]
    pub const fn with_indexes(mut self, indexes: &'static [Index]) -> Self {
        self.indexes = indexes;
        self
    }

    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that partitions by time, when the record has one.
    #[must_use]
    pub fn time_column(&self) -> Option<&'static Column> {
        self.time.and_then(|position| self.columns.get(position))
    }

    /// The key's columns, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.key
            .iter()
            .filter_map(|position| self.columns.get(*position))
    }
}

/// One stored column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Column name.
    pub name: &'static str,
    /// What it holds.
    pub ty: ColumnType,
    /// Whether it may be absent.
    pub nullable: bool,
}

/// What a column holds; each backend has exactly one storage type for each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// Truth value.
    Bool,
    /// Signed integer of 32 bits.
    Int4,
    /// Signed integer of 64 bits.
    Int8,
    /// Unsigned integer of 64 bits, exact beyond 2^63.
    UInt8,
    /// Floating point of 32 bits, NaN and infinities included.
    Float4,
    /// Floating point of 64 bits, NaN and infinities included.
    Float8,
    /// Unicode text.
    Text,
    /// Arbitrary bytes.
    Bytes,
    /// UUID.
    Uuid,
    /// Instant in microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// Nanoseconds (0 to 999) below the microsecond of the timestamp column before it.
    Nanos,
    /// JSON document.
    Json,
}

/// What a row does when another with its key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// The row that is there stays; the new one counts as committed, since it is there.
    Ignore,
    /// The new row replaces every column; a row that changes nothing touches nothing.
    Update,
    /// The two become one, each column by its [`Merge`]. A row that is equal to the one that is there in
    /// every column is taken for a repetition and touches nothing.
    Merge,
    /// As [`Merge`](Self::Merge), and every row counts: for a writer whose rows nobody sends again, since
    /// the writer's own retries are told apart by the ledger.
    MergeEach,
    /// The version of the row that is newer by a column of theirs stays
    /// ([`Descriptor::newer_by`]); of equal ones the one that is there. A column with a [`Merge`] is merged when
    /// the row is replaced.
    Newer,
}

impl OnConflict {
    /// Whether two rows become one.
    #[must_use]
    pub const fn merges(self) -> bool {
        matches!(self, Self::Merge | Self::MergeEach)
    }
}

/// What becomes of a column's two values when rows with one key are merged.
///
/// An absent value gives way to one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Merge {
    /// The value of the row whose other column is smaller; of the row that was there when neither is.
    First {
        /// Position of the column that tells which came first.
        by: usize,
    },
    /// The value of the row whose other column is larger; of the new row when neither is.
    Last {
        /// Position of the column that tells which came last.
        by: usize,
    },
    /// The smaller value.
    Least,
    /// The larger value.
    Greatest,
    /// The sum.
    Sum,
    /// The mean, weighted by another column; the new value where the weights add up to zero.
    Mean {
        /// Position of the column that is the weight.
        weight: usize,
    },
    /// No value: rows that differ here are no versions of each other, and the one that is there stays whatever
    /// the new one says.
    Same,
}

/// Length of the time range of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkInterval(Duration);

impl ChunkInterval {
    /// An interval of `seconds`.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The interval as a duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// The interval in microseconds, the unit of a timestamp column.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0.as_secs().saturating_mul(1_000_000) as i64
    }
}

/// Sort direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A column in an order or an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortColumn {
    /// Position in [`Descriptor::columns`].
    pub column: usize,
    /// Which way.
    pub direction: Direction,
}

/// A secondary index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its columns, most significant first.
    pub columns: &'static [SortColumn],
}
