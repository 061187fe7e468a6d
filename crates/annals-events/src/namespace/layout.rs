//! The table of messages as data: for the kernel, which compresses, checks and exports it.
//!
//! The table itself is made by `sql/namespace/tables.*.sql`, since it is older than this and SQL of its users stands
//! on it. A test holds the two against each other. It has no key here: a hypertable's would have to contain
//! the time, and the ids, heads and the counter beside it keep places unique.

use annals_record::{ChunkInterval, Column, ColumnType, Descriptor, Direction, Index, SortColumn};

const TIME: usize = 0;
const GLOBAL_POSITION: usize = 1;
const POSITION: usize = 2;
const STREAM_NAME: usize = 3;
const CATEGORY: usize = 8;

const fn column(name: &'static str, ty: ColumnType, nullable: bool) -> Column {
    Column { name, ty, nullable }
}

const fn ascending(column: usize) -> SortColumn {
    SortColumn {
        column,
        direction: Direction::Ascending,
    }
}

/// The table of messages. The indexes are those that every backend has and reads need; a namespace's options may
/// say another length of chunks.
pub(crate) static MESSAGES: Descriptor = Descriptor::new(
    "messages",
    &[
        column("time", ColumnType::Timestamp, false),
        column("global_position", ColumnType::Int8, false),
        column("position", ColumnType::Int8, false),
        column("stream_name", ColumnType::Text, false),
        column("type", ColumnType::Text, false),
        column("data", ColumnType::Json, true),
        column("metadata", ColumnType::Json, true),
        column("id", ColumnType::Uuid, false),
        column("category", ColumnType::Text, false),
    ],
)
.with_time(TIME, ChunkInterval::from_secs(7 * 86_400))
// A page of a category is a few batches, and a stream is found by its name; docs/segmenting.md has what else was
// measured.
.with_layout(Some(CATEGORY), &[ascending(GLOBAL_POSITION)])
.with_indexes(&[
    Index {
        columns: &[ascending(STREAM_NAME), ascending(POSITION)],
    },
    Index {
        columns: &[ascending(GLOBAL_POSITION)],
    },
    Index {
        columns: &[ascending(CATEGORY), ascending(GLOBAL_POSITION)],
    },
]);
