//! The members of a JSON object, as the fields of a protobuf message.

use serde_json::{Map, Value};

use super::super::{FieldError, Problem, ids, refusal::quote};

/// A message whose fields are taken out one by one. Fields that nobody takes are unknown and ignored.
pub(super) struct Message {
    fields: Map<String, Value>,
    /// Whether any name could be one in snake_case.
    has_underscore: bool,
}

impl Message {
    /// Takes an object for a message.
    pub(super) fn of(value: Value) -> Result<Self, FieldError> {
        match value {
            Value::Object(fields) => {
                let has_underscore = fields.keys().any(|name| name.contains('_'));
                Ok(Self {
                    fields,
                    has_underscore,
                })
            }
            other => Err(wrong_type("", &other, "an object")),
        }
    }

    /// The value of a field, unless it is absent or `null`, which protobuf's JSON makes the same.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<Value>, FieldError> {
        match self.fields.remove(name) {
            Some(Value::Null) => Ok(None),
            Some(value) => Ok(Some(value)),
            None if self.has_underscore => {
                let snake = snake_case(name);
                if snake != name && self.fields.contains_key(&snake) {
                    return Err(FieldError::new(snake, Problem::Name { expected: name }));
                }
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// A text; empty when absent.
    pub(super) fn text(&mut self, name: &'static str) -> Result<String, FieldError> {
        match self.take(name)? {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong_type(name, &other, "a text")),
        }
    }

    /// The bytes of an id; none when absent.
    pub(super) fn id(&mut self, name: &'static str) -> Result<Vec<u8>, FieldError> {
        ids::from_hex(&self.text(name)?).map_err(|problem| FieldError::new(name, problem))
    }

    /// A whole number in digits or as text; zero when absent.
    pub(super) fn unsigned<T: TryFrom<u64> + Default>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, FieldError> {
        let Some(value) = self.take(name)? else {
            return Ok(T::default());
        };
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| wrong_type(name, &value, expected))
    }

    /// An enumeration's number, or the name of it.
    pub(super) fn enumeration(
        &mut self,
        name: &'static str,
        expected: &'static str,
        number_of: fn(&str) -> Option<i32>,
    ) -> Result<i32, FieldError> {
        let Some(value) = self.take(name)? else {
            return Ok(0);
        };
        let number = match &value {
            Value::Number(number) => number
                .as_i64()
                .and_then(|number| i32::try_from(number).ok()),
            Value::String(text) => number_of(text),
            _ => None,
        };
        number.ok_or_else(|| wrong_type(name, &value, expected))
    }

    /// A message in a field.
    pub(super) fn message<T>(
        &mut self,
        name: &'static str,
        read: fn(Value) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        let message = self.take(name)?.map(read).transpose();
        message.map_err(|error| error.within(name))
    }

    /// A list of messages; empty when absent.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        read: fn(Value) -> Result<T, FieldError>,
    ) -> Result<Vec<T>, FieldError> {
        match self.take(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values
                .into_iter()
                .enumerate()
                .map(|(i, value)| read(value).map_err(|error| error.within_item(name, i)))
                .collect(),
            Some(other) => Err(wrong_type(name, &other, "an array")),
        }
    }
}

/// A field whose value is of another type; unnamed when only the message around it knows the name.
pub(super) fn wrong_type(field: &str, found: &Value, expected: &'static str) -> FieldError {
    let found = match found {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => quote(text),
        other => other.to_string(),
    };
    FieldError::new(field, Problem::Type { found, expected })
}

fn snake_case(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for character in camel.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
