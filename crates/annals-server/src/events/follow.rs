//! What `GET /subscribe` follows, from its address.

use annals_events::{ConsumerGroup, Selection};

use super::access::parameter;
use http::Uri;

/// Reads what is to be followed; a sentence says why it cannot be.
///
/// `consumerGroupMember` and `consumerGroupSize` are the names by which one of the clients asks for
/// `consumer` and `size`.
pub(crate) fn selection(uri: &Uri) -> Result<Selection, String> {
    let given = |name| parameter(uri, name).filter(|value| !value.is_empty());
    let stream = given("stream");
    let category = given("category");
    let all = given("all").is_some_and(|value| value == "true");
    let position = match given("position") {
        None => None,
        Some(text) => {
            let position = text.parse::<i64>();
            Some(position.map_err(|_| "position must be a whole number".to_owned())?)
        }
    };
    let from = position.unwrap_or(0).max(0);
    match (stream, category, all) {
        (Some(stream), None, false) => {
            held("stream", &stream)?;
            Ok(Selection::Stream { stream, from })
        }
        (None, Some(category), false) => {
            held("category", &category)?;
            let member = given("consumer").or_else(|| given("consumerGroupMember"));
            let size = given("size").or_else(|| given("consumerGroupSize"));
            let group = group(member, size)?;
            Ok(Selection::Category {
                category,
                from,
                group,
            })
        }
        (None, None, true) => Ok(Selection::Live { from }),
        _ => Err("exactly one of stream, category and all=true must be given".to_owned()),
    }
}

fn held(name: &str, value: &str) -> Result<(), String> {
    if value.contains('\0') {
        return Err(format!("{name} must not contain U+0000"));
    }
    Ok(())
}

fn group(member: Option<String>, size: Option<String>) -> Result<Option<ConsumerGroup>, String> {
    let (member, size) = match (member, size) {
        (None, None) => return Ok(None),
        (Some(member), Some(size)) => (member, size),
        _ => return Err("consumer and size must be given together".to_owned()),
    };
    let number = |name, text: &str| {
        let number = text.parse::<i64>();
        number.map_err(|_| format!("{name} must be a whole number"))
    };
    let (member, size) = (number("consumer", &member)?, number("size", &size)?);
    ConsumerGroup::new(member, size)
        .map(Some)
        .ok_or_else(|| "size must be above 0, and consumer from 0 to below size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Selection, String> {
        selection(&format!("/subscribe?{query}").parse().unwrap())
    }

    #[test]
    fn exactly_one_thing_is_followed() {
        let stream = |from| Selection::Stream {
            stream: "a-1".to_owned(),
            from,
        };
        let category = |group| Selection::Category {
            category: "a".to_owned(),
            from: 7,
            group,
        };
        for (query, expected) in [
            ("stream=a-1", stream(0)),
            ("stream=a-1&position=5&token=x&unknown=1", stream(5)),
            ("stream=a-1&position=-5", stream(0)),
            ("stream=a-1&consumer=9&size=2", stream(0)),
            ("stream=a-1&all=yes", stream(0)),
            ("category=a&position=7", category(None)),
            (
                "category=a&position=7&consumer=1&size=2",
                category(ConsumerGroup::new(1, 2)),
            ),
            (
                "category=a&position=7&consumerGroupMember=1&consumerGroupSize=2",
                category(ConsumerGroup::new(1, 2)),
            ),
            ("all=true", Selection::Live { from: 0 }),
            ("all=true&position=3", Selection::Live { from: 3 }),
            (
                "stream=%C3%A9%2D1",
                Selection::Stream {
                    stream: "é-1".to_owned(),
                    from: 0,
                },
            ),
        ] {
            assert_eq!(of(query).unwrap(), expected, "{query}");
        }
        for (query, told) in [
            ("", "exactly one"),
            ("stream=", "exactly one"),
            ("stream=a&category=b", "exactly one"),
            ("stream=a&all=true", "exactly one"),
            ("all=1", "exactly one"),
            ("stream=a&position=x", "position"),
            ("stream=a&position=1.5", "position"),
            ("stream=%00", "stream"),
            ("category=a&consumer=0", "together"),
            ("category=a&size=2", "together"),
            ("category=a&consumer=2&size=2", "size"),
            ("category=a&consumer=-1&size=2", "size"),
            ("category=a&consumer=0&size=0", "size"),
            ("category=a&consumer=x&size=2", "consumer"),
        ] {
            assert!(of(query).unwrap_err().contains(told), "{query}");
        }
    }
}
