//! What an INSERT does about a row whose key is there already.

use annals_record::{Column, ColumnType, Descriptor, Merge, OnConflict};

use super::{Dialect, joined, key_list, quoted};

/// The clause behind `INSERT INTO … AS target`; empty for records without a key. A row that changes
/// nothing touches no row.
pub(crate) fn conflict_clause(
    dialect: Dialect,
    descriptor: &Descriptor,
    on_conflict: OnConflict,
) -> String {
    if descriptor.key.is_empty() {
        return String::new();
    }
    let key = key_list(descriptor);
    if on_conflict == OnConflict::Newer {
        return newer_clause(dialect, descriptor, &key);
    }
    let others: Vec<(usize, &Column)> = descriptor
        .columns
        .iter()
        .enumerate()
        .filter(|(position, column)| {
            // The nanoseconds that belong to a key's timestamp are not part of the stored key.
            !descriptor.key.contains(position) || column.ty == ColumnType::Nanos
        })
        .collect();
    if on_conflict == OnConflict::Ignore || others.is_empty() {
        return format!(" ON CONFLICT ({key}) DO NOTHING");
    }
    let values: Vec<String> = others
        .iter()
        .map(|(position, column)| {
            if on_conflict.merges() {
                merged(dialect, descriptor, *position)
            } else {
                new(column)
            }
        })
        .collect();
    let set = joined(
        others
            .iter()
            .zip(&values)
            .map(|((_, column), value)| format!("{} = {value}", quoted(column.name))),
    );
    let old: Vec<String> = others.iter().map(|(_, column)| target(column)).collect();
    // Where every row counts, one that changes nothing still does nothing.
    let mut changes = differ(dialect, &old, &values);
    if on_conflict == OnConflict::Merge {
        let new: Vec<String> = others.iter().map(|(_, column)| new(column)).collect();
        changes = format!("({changes}) AND ({})", differ(dialect, &old, &new));
    }
    format!(" ON CONFLICT ({key}) DO UPDATE SET {set} WHERE {changes}")
}

/// The newer version replaces the row, unless the two are no versions of each other.
fn newer_clause(dialect: Dialect, descriptor: &Descriptor, key: &str) -> String {
    let rule_of = |position: usize| descriptor.merge.iter().find(|(at, _)| *at == position);
    let mut set = Vec::new();
    let mut conditions = Vec::new();
    for (position, column) in descriptor.columns.iter().enumerate() {
        match rule_of(position) {
            Some((_, Merge::Same)) => conditions.push(match dialect {
                Dialect::Postgres => {
                    format!("{} IS NOT DISTINCT FROM {}", target(column), new(column))
                }
                Dialect::Sqlite => format!("{} IS {}", target(column), new(column)),
            }),
            Some(_) => {
                let value = merged(dialect, descriptor, position);
                set.push(format!("{} = {value}", quoted(column.name)));
            }
            None if descriptor.key.contains(&position) && column.ty != ColumnType::Nanos => {}
            None => set.push(format!("{} = {}", quoted(column.name), new(column))),
        }
        if descriptor.newer_by == Some(position) {
            conditions.insert(0, format!("{} > {}", new(column), target(column)));
        }
    }
    format!(
        " ON CONFLICT ({key}) DO UPDATE SET {} WHERE {}",
        set.join(", "),
        conditions.join(" AND ")
    )
}

fn target(column: &Column) -> String {
    format!("target.{}", quoted(column.name))
}

fn new(column: &Column) -> String {
    format!("EXCLUDED.{}", quoted(column.name))
}

/// Whether two rows of expressions differ, absent values included.
fn differ(dialect: Dialect, a: &[String], b: &[String]) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "ROW({}) IS DISTINCT FROM ROW({})",
            a.join(", "),
            b.join(", ")
        ),
        Dialect::Sqlite => {
            let differ = a.iter().zip(b).map(|(a, b)| format!("{a} IS NOT {b}"));
            differ.collect::<Vec<_>>().join(" OR ")
        }
    }
}

/// The value of a column of two rows that are merged.
fn merged(dialect: Dialect, descriptor: &Descriptor, position: usize) -> String {
    let Some(column) = descriptor.columns.get(position) else {
        return "NULL".to_owned();
    };
    let both = |column: &Column| (target(column), new(column));
    let other = |position: usize| descriptor.columns.get(position).map(both);
    let (old, new) = both(column);
    let rule = descriptor.merge.iter().find(|(at, _)| *at == position);
    match rule.map(|(_, rule)| *rule) {
        Some(Merge::First { by }) => match other(by) {
            Some((old_at, new_at)) => {
                format!("CASE WHEN {new_at} < {old_at} THEN {new} ELSE {old} END")
            }
            None => old,
        },
        Some(Merge::Last { by }) => match other(by) {
            Some((old_at, new_at)) => {
                format!("CASE WHEN {new_at} < {old_at} THEN {old} ELSE {new} END")
            }
            None => new,
        },
        Some(Merge::Least) => extreme(dialect, ["LEAST", "min"], &old, &new),
        Some(Merge::Greatest) => extreme(dialect, ["GREATEST", "max"], &old, &new),
        Some(Merge::Sum) => format!("COALESCE({old} + {new}, {old}, {new})"),
        Some(Merge::Mean { weight }) => match other(weight) {
            Some((old_weight, new_weight)) => format!(
                "CASE WHEN {old_weight} + {new_weight} = 0 THEN {new} \
                 ELSE COALESCE(({old} * {old_weight} + {new} * {new_weight}) / ({old_weight} + {new_weight}), {old}, {new}) END"
            ),
            None => new,
        },
        _ => new,
    }
}

/// The smaller or larger of two values. SQLite's functions are absent where one of the two is.
fn extreme(dialect: Dialect, [postgres, sqlite]: [&str; 2], old: &str, new: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("{postgres}({old}, {new})"),
        Dialect::Sqlite => format!("COALESCE({sqlite}({old}, {new}), {old}, {new})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column {
            name: "symbol",
            ty: ColumnType::Text,
            nullable: false,
        },
        Column {
            name: "high",
            ty: ColumnType::Float8,
            nullable: false,
        },
        Column {
            name: "close",
            ty: ColumnType::Float8,
            nullable: false,
        },
    ];

    const BAR: &Descriptor = &Descriptor::new("bars", COLUMNS)
        .with_key(&[0], OnConflict::Update)
        .with_merge(&[(1, Merge::Greatest)]);

    #[test]
    fn an_update_sets_every_column_outside_the_key_and_only_when_one_differs() {
        assert_eq!(
            conflict_clause(Dialect::Postgres, BAR, OnConflict::Update),
            " ON CONFLICT (\"symbol\") DO UPDATE SET \"high\" = EXCLUDED.\"high\", \
             \"close\" = EXCLUDED.\"close\" WHERE ROW(target.\"high\", target.\"close\") \
             IS DISTINCT FROM ROW(EXCLUDED.\"high\", EXCLUDED.\"close\")"
        );
    }

    #[test]
    fn a_newer_version_replaces_what_is_its_own_and_merges_what_has_a_rule() {
        const COLUMNS: &[Column] = &[
            column("id", ColumnType::Text, false),
            column("owner", ColumnType::Text, true),
            column("value", ColumnType::Text, true),
            column("revision", ColumnType::Int8, false),
            column("created_at", ColumnType::Timestamp, false),
        ];
        const fn column(name: &'static str, ty: ColumnType, nullable: bool) -> Column {
            Column { name, ty, nullable }
        }
        const SPAN: &Descriptor = &Descriptor::new("spans", COLUMNS)
            .with_key(&[0], OnConflict::Newer)
            .with_newer_by(3)
            .with_merge(&[(1, Merge::Same), (4, Merge::Least)]);
        assert_eq!(
            conflict_clause(Dialect::Postgres, SPAN, OnConflict::Newer),
            " ON CONFLICT (\"id\") DO UPDATE SET \"value\" = EXCLUDED.\"value\", \
             \"revision\" = EXCLUDED.\"revision\", \
             \"created_at\" = LEAST(target.\"created_at\", EXCLUDED.\"created_at\") \
             WHERE EXCLUDED.\"revision\" > target.\"revision\" \
             AND target.\"owner\" IS NOT DISTINCT FROM EXCLUDED.\"owner\""
        );
    }

    #[test]
    fn a_merge_sets_each_column_by_its_rule_and_leaves_repetitions_alone() {
        assert_eq!(
            conflict_clause(Dialect::Sqlite, BAR, OnConflict::Merge),
            " ON CONFLICT (\"symbol\") DO UPDATE SET \
             \"high\" = COALESCE(max(target.\"high\", EXCLUDED.\"high\"), target.\"high\", EXCLUDED.\"high\"), \
             \"close\" = EXCLUDED.\"close\" WHERE (target.\"high\" IS NOT \
             COALESCE(max(target.\"high\", EXCLUDED.\"high\"), target.\"high\", EXCLUDED.\"high\") OR \
             target.\"close\" IS NOT EXCLUDED.\"close\") AND (target.\"high\" IS NOT EXCLUDED.\"high\" OR \
             target.\"close\" IS NOT EXCLUDED.\"close\")"
        );
    }
}
