//! How compressed chunks are laid out, as a record's descriptor says.

use annals_record::{ColumnType, Direction};

use crate::{
    arrivals::ARRIVAL,
    lifecycle::AgingTable,
    sql::{Sql, joined, quoted},
};

/// Turns the columnstore on, with segments, order and sparse indexes.
pub(super) fn alter_table(table: &AgingTable, has_sparse_indexes: bool) -> Sql {
    let descriptor = table.descriptor();
    let mut options = vec!["timescaledb.enable_columnstore".to_owned()];
    // Columns in these texts are read as SQL reads names, so they are quoted.
    let segment = descriptor
        .segment_by
        .and_then(|at| descriptor.columns.get(at))
        .map(|column| quoted(column.name));
    // Left unsaid, the server chooses one by its own lights: a layout without segments has to say so.
    if segment.is_some() || !descriptor.order_by.is_empty() {
        let segment = segment.unwrap_or_default();
        options.push(format!("timescaledb.segmentby = '{}'", literal(&segment)));
    }
    let order = descriptor.order_by.iter().filter_map(|part| {
        let column = descriptor.columns.get(part.column)?;
        let direction = match part.direction {
            Direction::Ascending => "",
            Direction::Descending => " DESC",
        };
        Some(format!("{}{direction}", quoted(column.name)))
    });
    let order = joined(order);
    if !order.is_empty() {
        options.push(format!("timescaledb.orderby = '{}'", literal(&order)));
    }
    let sparse = joined(sparse_indexes(table));
    if has_sparse_indexes && !sparse.is_empty() {
        options.push(format!("timescaledb.sparse_index = '{}'", literal(&sparse)));
    }
    let name = table.full_name();
    Sql::vouched(format!("ALTER TABLE {name} SET ({})", joined(options)))
}

/// What lets whole batches be passed over: one for the first column of the key and of each index, and for the owner,
/// unless segments or order tell already. Hashes of what is asked for by equality, ranges of what has an order.
fn sparse_indexes(table: &AgingTable) -> Vec<String> {
    let descriptor = table.descriptor();
    let owner = table.owner_column().map(|owner| owner.name);
    let owner = descriptor
        .columns
        .iter()
        .position(|column| Some(column.name) == owner);
    let leading = descriptor.key.first().copied().into_iter().chain(owner);
    let leading = leading.chain(
        descriptor
            .indexes
            .iter()
            .filter_map(|index| Some(index.columns.first()?.column)),
    );
    let mut indexes = Vec::new();
    for position in leading {
        let is_told = descriptor.segment_by == Some(position)
            || descriptor
                .order_by
                .iter()
                .any(|part| part.column == position);
        let Some(column) = descriptor.columns.get(position).filter(|_| !is_told) else {
            continue;
        };
        let kind = match column.ty {
            ColumnType::Text | ColumnType::Uuid | ColumnType::Bytes => "bloom",
            ColumnType::Int4 | ColumnType::Int8 | ColumnType::Timestamp => "minmax",
            _ => continue,
        };
        let index = format!("{kind}({})", quoted(column.name));
        if !indexes.contains(&index) {
            indexes.push(index);
        }
    }
    if table.is_followed() {
        indexes.push(format!("minmax({})", quoted(ARRIVAL)));
    }
    indexes
}

fn literal(text: &str) -> String {
    text.replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use annals_record::{ChunkInterval, Column, Descriptor, Index, SortColumn};

    use super::*;
    use crate::{Dialect, Names};

    const fn column(name: &'static str, ty: ColumnType) -> Column {
        Column {
            name,
            ty,
            nullable: false,
        }
    }

    const fn by(column: usize, direction: Direction) -> SortColumn {
        SortColumn { column, direction }
    }

    static COLUMNS: [Column; 4] = [
        column("trace", ColumnType::Text),
        column("service's", ColumnType::Text),
        column("time", ColumnType::Timestamp),
        column("place", ColumnType::Int8),
    ];

    static INDEXES: [Index; 3] = [
        Index {
            columns: &[by(0, Direction::Ascending), by(2, Direction::Descending)],
        },
        Index {
            columns: &[by(2, Direction::Descending)],
        },
        Index {
            columns: &[by(3, Direction::Ascending)],
        },
    ];

    static LAID_OUT: Descriptor = Descriptor::new("spans", &COLUMNS)
        .with_key(&[0, 2], annals_record::OnConflict::Ignore)
        .with_time(2, ChunkInterval::from_secs(86_400))
        .with_layout(Some(1), &[by(2, Direction::Descending)])
        .with_indexes(&INDEXES);

    static WITHOUT_SEGMENTS: Descriptor = Descriptor::new("spans", &COLUMNS)
        .with_key(&[0, 2], annals_record::OnConflict::Ignore)
        .with_layout(None, &[by(2, Direction::Descending)]);

    static BARE: Descriptor = Descriptor::new("notes", &COLUMNS);

    fn table(descriptor: &'static Descriptor) -> AgingTable {
        AgingTable::described(&Names::new(Dialect::Postgres, "public"), descriptor)
    }

    #[test]
    fn a_layout_says_segments_order_and_what_is_asked_for_beside_them() {
        assert_eq!(
            alter_table(&table(&LAID_OUT), true).as_str(),
            "ALTER TABLE \"public\".\"spans\" SET (timescaledb.enable_columnstore, \
             timescaledb.segmentby = '\"service''s\"', timescaledb.orderby = '\"time\" DESC', \
             timescaledb.sparse_index = 'bloom(\"trace\"), minmax(\"place\")')"
        );
        let older = alter_table(&table(&LAID_OUT), false);
        assert!(!older.as_str().contains("sparse"));
    }

    #[test]
    fn without_segments_the_server_chooses_none_either_and_an_owner_is_found_by_its_hash() {
        let table = table(&WITHOUT_SEGMENTS).owned_by("service's");
        assert_eq!(
            alter_table(&table, true).as_str(),
            "ALTER TABLE \"public\".\"spans\" SET (timescaledb.enable_columnstore, \
             timescaledb.segmentby = '', timescaledb.orderby = '\"time\" DESC', \
             timescaledb.sparse_index = 'bloom(\"trace\"), bloom(\"service''s\")')"
        );
    }

    #[test]
    fn a_table_that_is_followed_says_when_its_batches_came() {
        let sql = alter_table(&table(&WITHOUT_SEGMENTS).followed(), true);
        let sparse = "timescaledb.sparse_index = 'bloom(\"trace\"), minmax(\"arrival\")')";
        assert!(sql.as_str().ends_with(sparse), "{}", sql.as_str());
    }

    #[test]
    fn a_table_without_a_layout_is_left_to_the_server() {
        assert_eq!(
            alter_table(&table(&BARE), true).as_str(),
            "ALTER TABLE \"public\".\"notes\" SET (timescaledb.enable_columnstore)"
        );
    }
}
