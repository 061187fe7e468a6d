//! Which models were at work in a window.

use annals_record::{Record, Timestamp, TimestampMicros, Value};
use annals_store::Store;

use crate::{Result, bind};

/// Models of one answer at most; those with the most spans stay.
const MAX_MODELS: i64 = 1_000;

/// Versions named of one model at most; those that were seen last stay.
const MAX_VERSIONS: i64 = 20;

/// What one model did in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Model {
    /// The model's name.
    pub model_name: String,
    /// Its spans in the window, of every version and of none.
    pub span_count: u64,
    /// Those of them that failed: whose status code is `error`.
    pub error_count: u64,
    /// When the first of them began, to the microsecond, towards the past.
    pub first_seen: Timestamp,
    /// When the last of them began, to the microsecond, towards the past.
    pub last_seen: Timestamp,
    /// The versions that they name, sorted as text, each once; of more than 20, the 20 that were
    /// seen last.
    pub versions: Vec<String>,
}

/// A row that the statement gives: a model with one of its versions.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "models")]
struct ModelVersion {
    model_name: String,
    span_count: i64,
    error_count: i64,
    first_seen: TimestampMicros,
    last_seen: TimestampMicros,
    model_version: Option<String>,
}

/// The models whose spans began in the window: at `from` or later, and before `to`.
pub(crate) async fn between(store: &Store, from: Timestamp, to: Timestamp) -> Result<Vec<Model>> {
    let sql = store.names().statement(include_str!("models.sql"));
    let values = vec![
        bind::micros(from),
        bind::micros(to),
        Value::Int8(MAX_MODELS),
        Value::Int8(MAX_VERSIONS),
    ];
    Ok(gathered(store.fetch(sql, values).await?))
}

/// The rows of each model as one, those with the most spans first.
///
/// Sorted here, because text sorts by the database's locale there.
fn gathered(mut rows: Vec<ModelVersion>) -> Vec<Model> {
    rows.sort_by(|a, b| {
        let by_count = b.span_count.cmp(&a.span_count);
        by_count
            .then_with(|| a.model_name.cmp(&b.model_name))
            .then_with(|| a.model_version.cmp(&b.model_version))
    });
    let mut models: Vec<Model> = Vec::new();
    for row in rows {
        match models.last_mut() {
            Some(model) if model.model_name == row.model_name => {
                model.versions.extend(row.model_version);
            }
            _ => models.push(Model {
                model_name: row.model_name,
                span_count: row.span_count.unsigned_abs(),
                error_count: row.error_count.unsigned_abs(),
                first_seen: row.first_seen.into(),
                last_seen: row.last_seen.into(),
                versions: row.model_version.into_iter().collect(),
            }),
        }
    }
    models
}
