//! Attributes that become columns.

use serde_json::Value;

use super::{MAX_ID_BYTES, MAX_TEXT_BYTES, redact::redacted, shortened};
use crate::{WorkspaceId, span::Attributes};

/// What attributes say for the columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) workspace: Option<WorkspaceId>,
    pub(super) release_target_key: Option<String>,
    pub(super) release_id: Option<String>,
    pub(super) job_id: Option<String>,
    pub(super) parent_trace_id: Option<String>,
    pub(super) phase: Option<String>,
    pub(super) node_type: Option<String>,
    pub(super) status: Option<String>,
    pub(super) depth: Option<i32>,
    pub(super) sequence: Option<i32>,
    pub(super) deployment_id: Option<String>,
    pub(super) trigger: Option<String>,
    pub(super) message: Option<String>,
}

impl Columns {
    /// Takes the columns out of the attributes. Texts that are empty are no values.
    pub(super) fn of(attributes: Attributes, prefix: &str) -> Result<Self, String> {
        let mut columns = Self::default();
        for (key, value) in attributes {
            let Some(column) = key.strip_prefix(prefix) else {
                continue;
            };
            match column {
                "workspace_id" => columns.workspace = workspace(&key, value)?,
                "release_target_key" => columns.release_target_key = id(&key, value)?,
                "release_id" => columns.release_id = id(&key, value)?,
                "job_id" => columns.job_id = id(&key, value)?,
                "parent_trace_id" => columns.parent_trace_id = id(&key, value)?,
                "phase" => columns.phase = id(&key, value)?,
                "node_type" => columns.node_type = id(&key, value)?,
                "status" => columns.status = id(&key, value)?,
                "depth" => columns.depth = integer(&key, &value)?,
                "sequence" => columns.sequence = integer(&key, &value)?,
                "deployment_id" => columns.deployment_id = id(&key, value)?,
                "trigger" => columns.trigger = id(&key, value)?,
                "message" => columns.message = text(&key, value, MAX_TEXT_BYTES)?,
                _ => {}
            }
        }
        if columns.deployment_id.is_none() {
            columns.deployment_id = columns
                .release_target_key
                .as_deref()
                .and_then(deployment_of)
                .map(str::to_owned);
        }
        Ok(columns)
    }
}

/// The deployment of a release target: the UUID at the end of `<resource>-<environment>-<deployment>`, as it is
/// written there.
fn deployment_of(release_target_key: &str) -> Option<&str> {
    let start = release_target_key.len().checked_sub(36)?;
    let (before, deployment) = release_target_key.split_at_checked(start)?;
    let is_id = before.ends_with('-') && deployment.parse::<WorkspaceId>().is_ok();
    is_id.then_some(deployment)
}

/// A text by which spans are found, and so one that an index holds.
fn id(key: &str, value: Value) -> Result<Option<String>, String> {
    text(key, value, MAX_ID_BYTES)
}

fn text(key: &str, value: Value, most: usize) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(format!("has attribute {key:?}, which is no text"));
        }
    };
    if text.len() > most {
        let bytes = text.len();
        return Err(format!(
            "has attribute {key:?} of {bytes} bytes, more than the {most} that its column takes"
        ));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn workspace(key: &str, value: Value) -> Result<Option<WorkspaceId>, String> {
    let Some(text) = id(key, value)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(workspace) => Ok(Some(workspace)),
        Err(_) => Err(format!(
            "has attribute {key:?} = {:?}, which is no UUID such as 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e",
            shortened(&text)
        )),
    }
}

/// A whole number; nothing is rounded or cut to make it one.
fn integer(key: &str, value: &Value) -> Result<Option<i32>, String> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).ok(),
            None => number.as_f64().and_then(whole),
        },
        _ => None,
    };
    let refused = || {
        format!(
            "has attribute {key:?} = {}, which is no whole number between {} and {}",
            shortened(&redacted(&value.to_string())),
            i32::MIN,
            i32::MAX
        )
    };
    number.map(Some).ok_or_else(refused)
}

fn whole(float: f64) -> Option<i32> {
    let fits = float.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&float);
    fits.then_some(float as i32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_come_in_several_forms_and_nothing_is_cut() {
        for (value, number) in [
            (json!(0), Some(0)),
            (json!(-3), Some(-3)),
            (json!(i32::MAX), Some(i32::MAX)),
            (json!(2.0), Some(2)),
            (json!(-2147483648.0), Some(i32::MIN)),
            (json!("7"), Some(7)),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(integer("k", &value), Ok(number), "{value}");
        }
        for value in [
            json!(i64::from(i32::MAX) + 1),
            json!(u64::MAX),
            json!(1.5),
            json!(1e300),
            json!(2147483648.0),
            json!("1.5"),
            json!("seven"),
            json!("NaN"),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            let refused = integer("ctrlplane.depth", &value).unwrap_err();
            assert!(refused.contains("ctrlplane.depth"), "{refused}");
        }
    }

    #[test]
    fn the_deployment_is_the_uuid_at_the_end_of_the_key() {
        let uuid = "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
        let key = format!("api-service-{uuid}-production-{uuid}");
        assert_eq!(deployment_of(&key), Some(uuid));
        assert_eq!(deployment_of(&format!("é-{uuid}")), Some(uuid));
        for none in [
            "api-service-production",
            "",
            uuid,
            "x7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e",
            "a-7f0c2a9e8d1b4b529d3f1f2a3b4c5d6e",
            "api-é0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e",
            "api-7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6g",
        ] {
            assert_eq!(deployment_of(none), None, "{none}");
        }
    }
}
