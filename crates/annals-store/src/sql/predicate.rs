//! Conditions as SQL with bound parameters.

use annals_record::{
    Column, Descriptor, Json, Predicate, Value,
    filter::{Comparison, Find},
};

use super::{Dialect, joined, quoted};

/// The values that a statement binds, in the order of its parameters.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    values: Vec<Value>,
}

impl Bindings {
    /// Binds a value and gives its parameter.
    pub(crate) fn bind(&mut self, dialect: Dialect, value: Value) -> String {
        self.values.push(value);
        dialect.parameter(self.values.len())
    }

    pub(crate) fn into_values(self) -> Vec<Value> {
        self.values
    }
}

/// A condition on a descriptor's columns.
pub(crate) fn predicate_sql(
    dialect: Dialect,
    descriptor: &Descriptor,
    predicate: &Predicate,
    bindings: &mut Bindings,
) -> String {
    let mut render = |inner: &Predicate| predicate_sql(dialect, descriptor, inner, bindings);
    match predicate {
        Predicate::And(parts) if parts.is_empty() => "TRUE".to_owned(),
        Predicate::Or(parts) if parts.is_empty() => "FALSE".to_owned(),
        Predicate::And(parts) => {
            format!(
                "({})",
                parts
                    .iter()
                    .map(&mut render)
                    .collect::<Vec<_>>()
                    .join(" AND ")
            )
        }
        Predicate::Or(parts) => {
            format!(
                "({})",
                parts
                    .iter()
                    .map(&mut render)
                    .collect::<Vec<_>>()
                    .join(" OR ")
            )
        }
        // A comparison with an absent value is unknown, and what is unknown does not hold.
        Predicate::Not(inner) => format!("NOT COALESCE({}, FALSE)", render(inner)),
        Predicate::IsNull { column } => format!("{} IS NULL", name(descriptor, *column)),
        Predicate::Compare {
            column,
            comparison,
            values,
        } => compare(dialect, descriptor, *column, *comparison, values, bindings),
        Predicate::In { column, operands } => {
            if operands.is_empty() {
                return "FALSE".to_owned();
            }
            let rows = operands
                .iter()
                .map(|values| row_of(dialect, values, bindings));
            let rows = rows.collect::<Vec<_>>().join(", ");
            let width = operands.first().map_or(1, Vec::len);
            format!("{} IN ({rows})", columns(descriptor, *column, width))
        }
        Predicate::Text { column, text, find } => {
            let name = name(descriptor, *column);
            let text = match find {
                Find::IgnoringCase => pattern(text),
                Find::AtStart | Find::Anywhere => text.clone(),
            };
            let text = bindings.bind(dialect, Value::Text(text));
            match (dialect, find) {
                (Dialect::Postgres, Find::AtStart) => format!("starts_with({name}, {text})"),
                (Dialect::Postgres, Find::Anywhere) => format!("position({text} in {name}) > 0"),
                (Dialect::Postgres, Find::IgnoringCase) => format!("{name} ILIKE {text}"),
                (Dialect::Sqlite, Find::AtStart) => format!("instr({name}, {text}) = 1"),
                (Dialect::Sqlite, Find::Anywhere) => format!("instr({name}, {text}) > 0"),
                (Dialect::Sqlite, Find::IgnoringCase) => {
                    format!(r"{name} LIKE {text} ESCAPE '\'")
                }
            }
        }
        Predicate::Member {
            column,
            name: member,
            value,
        } => {
            let column = name(descriptor, *column);
            member_sql(dialect, &column, member, value, bindings)
                .unwrap_or_else(|| "FALSE".to_owned())
        }
        _ => "FALSE".to_owned(),
    }
}

/// The pattern of LIKE that finds a text anywhere, taken literally.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// Whether an object has a member; `None` for a value that no member is asked for.
fn member_sql(
    dialect: Dialect,
    column: &str,
    member: &str,
    value: &serde_json::Value,
    bindings: &mut Bindings,
) -> Option<String> {
    use serde_json::Value as Any;
    if matches!(value, Any::Array(_) | Any::Object(_)) {
        return None;
    }
    if dialect == Dialect::Postgres {
        let object = Any::Object([(member.to_owned(), value.clone())].into_iter().collect());
        let object = Json::try_from(&object).ok()?;
        let object = bindings.bind(dialect, Value::Json(object));
        return Some(format!("{column} @> {object}"));
    }
    let key = bindings.bind(dialect, Value::Text(member.to_owned()));
    let mut bound = |value| bindings.bind(dialect, value);
    let is = match value {
        Any::Null => "type = 'null'".to_owned(),
        Any::Bool(true) => "type = 'true'".to_owned(),
        Any::Bool(false) => "type = 'false'".to_owned(),
        Any::String(text) => format!(
            "type = 'text' AND value = {}",
            bound(Value::Text(text.clone()))
        ),
        Any::Number(number) => {
            let number = match number.as_i64() {
                Some(int) => Value::Int8(int),
                None => Value::Float8(number.as_f64()?),
            };
            format!("type IN ('integer', 'real') AND value = {}", bound(number))
        }
        Any::Array(_) | Any::Object(_) => return None,
    };
    Some(format!(
        "EXISTS (SELECT 1 FROM json_each({column}) WHERE key = {key} AND {is})"
    ))
}

fn column(descriptor: &Descriptor, position: usize) -> Option<&'static Column> {
    descriptor.columns.get(position)
}

fn name(descriptor: &Descriptor, position: usize) -> String {
    column(descriptor, position).map_or_else(|| "NULL".to_owned(), |column| quoted(column.name))
}

fn columns(descriptor: &Descriptor, first: usize, width: usize) -> String {
    match width {
        1 => name(descriptor, first),
        _ => format!(
            "({})",
            joined((first..first + width).map(|at| name(descriptor, at)))
        ),
    }
}

fn row_of(dialect: Dialect, values: &[Value], bindings: &mut Bindings) -> String {
    let mut parameters = values
        .iter()
        .map(|value| bindings.bind(dialect, value.clone()));
    match values.len() {
        1 => parameters.next().unwrap_or_default(),
        _ => format!("({})", joined(parameters)),
    }
}

fn compare(
    dialect: Dialect,
    descriptor: &Descriptor,
    first: usize,
    comparison: Comparison,
    values: &[Value],
    bindings: &mut Bindings,
) -> String {
    if values.iter().any(Value::is_null) {
        return "FALSE".to_owned();
    }
    let operator = match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast => ">=",
    };
    if let ([time, Value::Int4(nanos)], false) = (
        values,
        matches!(comparison, Comparison::Equal | Comparison::NotEqual),
    ) {
        let micros = name(descriptor, first);
        let time = bindings.bind(dialect, time.clone());
        // At one end of a microsecond the nanoseconds decide nothing.
        return match (comparison, nanos) {
            (Comparison::Less | Comparison::AtLeast, 0)
            | (Comparison::AtMost | Comparison::Greater, 999) => {
                format!("{micros} {operator} {time}")
            }
            _ => {
                // No comparison of rows: that excludes no chunk, and planners take it for one more condition
                // that few rows fulfil.
                let beyond = operator.trim_end_matches('=');
                let below = name(descriptor, first + 1);
                let nanos = bindings.bind(dialect, Value::Int4(*nanos));
                format!(
                    "({micros} {beyond}= {time} AND ({micros} {beyond} {time} OR {below} {operator} {nanos}))"
                )
            }
        };
    }
    let left = columns(descriptor, first, values.len());
    let right = row_of(dialect, values, bindings);
    format!("{left} {operator} {right}")
}
