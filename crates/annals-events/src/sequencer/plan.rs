//! What a group of writes comes to: who gets which places, and who is refused. Pure, the same on every
//! backend.

use std::collections::HashMap;

use annals_record::Json;
use uuid::Uuid;

use crate::message::{Append, NewMessage, Place};

/// One caller's write: everything in it is written, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) appends: Vec<Append>,
}

impl Request {
    pub(crate) fn messages(&self) -> impl Iterator<Item = (&Append, &NewMessage)> {
        self.appends
            .iter()
            .flat_map(|append| append.messages.iter().map(move |message| (append, message)))
    }
}

/// What is known of the namespace before the group.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The place of the namespace's last message.
    pub(crate) global_position: i64,
    /// The version of each stream of the group; -1, or nothing, for one that does not exist.
    pub(crate) versions: HashMap<String, i64>,
    /// Messages that have an id of the group already.
    pub(crate) ids: HashMap<Uuid, Written>,
}

/// A message that has an id already.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) place: Place,
    /// What it says; nothing when it was dropped by age and cannot be compared any more.
    pub(crate) content: Option<Content>,
}

/// What a written message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) stream: String,
    pub(crate) kind: String,
    pub(crate) data: Json,
    pub(crate) metadata: Option<Json>,
}

impl Written {
    fn is(&self, stream: &str, message: &NewMessage) -> bool {
        self.content.as_ref().is_none_or(|content| {
            content.stream == stream
                && content.kind == message.kind
                && content.data == message.data
                && content.metadata == message.metadata
        })
    }
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its messages have these places, now or since an earlier write.
    Placed(Vec<Place>),
    /// A stream is at another version.
    VersionConflict {
        stream: String,
        expected: i64,
        actual: i64,
    },
    /// An id is another message's.
    IdConflict(Uuid),
}

/// A message that is to be inserted.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) id: Uuid,
    pub(crate) stream: &'a str,
    pub(crate) message: &'a NewMessage,
    pub(crate) place: Place,
}

/// What the group comes to.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// One for each request, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// What is new, in the order of its places.
    pub(crate) rows: Vec<Row<'a>>,
    /// The last place of each stream that grows.
    pub(crate) heads: HashMap<&'a str, Place>,
}

impl<'a> Plan<'a> {
    /// Places a group's requests one after the other, each upon the ones before.
    pub(crate) fn of(group: &'a [Request], known: &Known) -> Self {
        let mut planning = Planning {
            known,
            next: known.global_position + 1,
            rows: Vec::new(),
            heads: HashMap::new(),
            fresh: HashMap::new(),
        };
        let verdicts = group
            .iter()
            .map(|request| planning.place(request))
            .collect();
        Self {
            verdicts,
            rows: planning.rows,
            heads: planning.heads,
        }
    }
}

struct Planning<'a, 'k> {
    known: &'k Known,
    next: i64,
    rows: Vec<Row<'a>>,
    heads: HashMap<&'a str, Place>,
    /// Ids that the group has brought, with the index of their row.
    fresh: HashMap<Uuid, usize>,
}

/// What is known of an id.
enum Found {
    New,
    Same(Place),
    Other,
}

impl<'a> Planning<'a, '_> {
    fn version(&self, stream: &str) -> i64 {
        self.heads.get(stream).map_or_else(
            || self.known.versions.get(stream).copied().unwrap_or(-1),
            |place| place.position,
        )
    }

    fn look_up(&self, stream: &str, message: &NewMessage) -> Found {
        let Some(id) = message.id else {
            return Found::New;
        };
        if let Some(written) = self.known.ids.get(&id) {
            return if written.is(stream, message) {
                Found::Same(written.place)
            } else {
                Found::Other
            };
        }
        match self.fresh.get(&id).and_then(|row| self.rows.get(*row)) {
            None => Found::New,
            Some(row) if row.stream == stream && same(row.message, message) => {
                Found::Same(row.place)
            }
            Some(_) => Found::Other,
        }
    }

    fn place(&mut self, request: &'a Request) -> Verdict {
        // A repeated request is one whose every message is there: only then was it committed.
        let mut places = Vec::new();
        let mut repeated = None;
        let mut is_new = false;
        for (append, message) in request.messages() {
            match self.look_up(&append.stream, message) {
                Found::New => is_new = true,
                Found::Same(place) => {
                    places.push(place);
                    repeated = message.id;
                }
                Found::Other => return Verdict::IdConflict(message.id.unwrap_or_default()),
            }
        }
        match repeated {
            Some(id) if is_new => return Verdict::IdConflict(id),
            Some(_) => return Verdict::Placed(places),
            None => {}
        }
        self.append(request)
    }

    fn append(&mut self, request: &'a Request) -> Verdict {
        let (rows, next) = (self.rows.len(), self.next);
        let mut before: Vec<(&'a str, Option<Place>)> = Vec::new();
        let mut refusal = None;
        let mut places = Vec::new();
        'appends: for append in &request.appends {
            let stream = append.stream.as_str();
            let actual = self.version(stream);
            if let Some(expected) = append.expected_version
                && expected != actual
            {
                refusal = Some(Verdict::VersionConflict {
                    stream: stream.to_owned(),
                    expected,
                    actual,
                });
                break;
            }
            for (message, position) in append.messages.iter().zip(actual + 1..) {
                let id = message.id.unwrap_or_else(Uuid::now_v7);
                if self.fresh.insert(id, self.rows.len()).is_some() {
                    refusal = Some(Verdict::IdConflict(id));
                    break 'appends;
                }
                let place = Place {
                    position,
                    global_position: self.next,
                };
                self.next += 1;
                places.push(place);
                self.rows.push(Row {
                    id,
                    stream,
                    message,
                    place,
                });
                before.push((stream, self.heads.insert(stream, place)));
            }
        }
        let Some(refusal) = refusal else {
            return Verdict::Placed(places);
        };
        // As if it had never been.
        self.next = next;
        for row in self.rows.drain(rows..) {
            self.fresh.remove(&row.id);
        }
        while let Some((stream, head)) = before.pop() {
            match head {
                Some(place) => self.heads.insert(stream, place),
                None => self.heads.remove(stream),
            };
        }
        refusal
    }
}

fn same(one: &NewMessage, other: &NewMessage) -> bool {
    one.kind == other.kind && one.data == other.data && one.metadata == other.metadata
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn message(id: u128, data: &str) -> NewMessage {
        NewMessage::new("k", Json::parse(data).unwrap()).with_id(Uuid::from_u128(id))
    }

    fn place(position: i64, global_position: i64) -> Place {
        Place {
            position,
            global_position,
        }
    }

    fn request(stream: &str, expected: Option<i64>, messages: Vec<NewMessage>) -> Request {
        Request {
            appends: vec![Append {
                stream: stream.to_owned(),
                expected_version: expected,
                messages,
            }],
        }
    }

    #[test]
    fn each_request_is_placed_upon_those_before_it_in_the_group() {
        let known = Known {
            global_position: 10,
            versions: HashMap::from([("a".to_owned(), 4)]),
            ids: HashMap::new(),
        };
        let group = [
            request("a", Some(4), vec![message(1, "{}")]),
            request("a", Some(4), vec![message(2, "{}")]),
            request("a", Some(5), vec![message(3, "{}"), message(4, "{}")]),
            request("b", Some(-1), vec![message(5, "{}")]),
            request("b", Some(-1), vec![message(6, "{}")]),
        ];
        let plan = Plan::of(&group, &known);
        let conflict = |stream: &str, expected, actual| Verdict::VersionConflict {
            stream: stream.to_owned(),
            expected,
            actual,
        };
        let expected = [
            Verdict::Placed(vec![place(5, 11)]),
            conflict("a", 4, 5),
            Verdict::Placed(vec![place(6, 12), place(7, 13)]),
            Verdict::Placed(vec![place(0, 14)]),
            conflict("b", -1, 0),
        ];
        assert_eq!(plan.verdicts, expected);
        assert_eq!(plan.heads["a"], place(7, 13));
        assert_eq!(plan.heads["b"], place(0, 14));
    }

    #[test]
    fn a_repeated_id_has_the_first_place_whatever_version_is_expected() {
        let written = Written {
            place: place(3, 7),
            content: Some(Content {
                stream: "a".to_owned(),
                kind: "k".to_owned(),
                data: Json::parse("{\"n\":1}").unwrap(),
                metadata: None,
            }),
        };
        let dropped = Written {
            place: place(0, 1),
            content: None,
        };
        let known = Known {
            global_position: 10,
            versions: HashMap::from([("a".to_owned(), 9)]),
            ids: HashMap::from([(Uuid::from_u128(1), written), (Uuid::from_u128(2), dropped)]),
        };
        let group = [
            request("a", Some(2), vec![message(1, "{\"n\": 1}")]),
            request("a", None, vec![message(1, "{\"n\":1.0}")]),
            request("b", None, vec![message(1, "{\"n\":1}")]),
            request("a", None, vec![message(2, "{}")]),
            request("a", None, vec![message(3, "{}"), message(1, "{\"n\":1}")]),
            request("a", None, vec![message(1, "{\"n\":1}"), message(3, "{}")]),
            request("a", None, vec![message(4, "{}")]),
            request("a", None, vec![message(4, "{}")]),
            request("a", None, vec![message(4, "{\"other\":true}")]),
            request("a", None, vec![message(5, "{}"), message(5, "{}")]),
        ];
        let conflict = |id| Verdict::IdConflict(Uuid::from_u128(id));
        let expected = [
            Verdict::Placed(vec![place(3, 7)]),
            conflict(1),
            conflict(1),
            Verdict::Placed(vec![place(0, 1)]),
            conflict(1),
            conflict(1),
            Verdict::Placed(vec![place(10, 11)]),
            Verdict::Placed(vec![place(10, 11)]),
            conflict(4),
            conflict(5),
        ];
        let plan = Plan::of(&group, &known);
        assert_eq!(plan.verdicts, expected);
        assert_eq!(plan.rows.len(), 1);
    }

    /// Appends of one request: streams by number, an expected version, how many messages.
    fn any_request() -> impl Strategy<Value = Vec<(u8, Option<i64>, Vec<u128>)>> {
        let append = (
            0..4_u8,
            prop::option::weighted(0.4, -1..4_i64),
            prop::collection::vec(1..60_u128, 1..4),
        );
        prop::collection::vec(append, 1..4)
    }

    proptest! {
        /// A group comes to what its requests come to one by one, each in a group of its own.
        #[test]
        fn a_group_is_its_requests_one_after_the_other(
            requests in prop::collection::vec(any_request(), 1..20),
        ) {
            let group: Vec<Request> = requests
                .into_iter()
                .map(|appends| Request {
                    appends: appends
                        .into_iter()
                        .map(|(stream, expected_version, ids)| Append {
                            stream: format!("s-{stream}"),
                            expected_version,
                            messages: ids.into_iter().map(|id| message(id, "{}")).collect(),
                        })
                        .collect(),
                })
                .collect();
            let together = Plan::of(&group, &Known::default());

            let mut known = Known::default();
            let mut verdicts = Vec::new();
            let mut rows: BTreeMap<i64, (String, i64, Uuid)> = BTreeMap::new();
            for request in &group {
                let alone = Plan::of(std::slice::from_ref(request), &known);
                for row in &alone.rows {
                    known.global_position = row.place.global_position;
                    known.versions.insert(row.stream.to_owned(), row.place.position);
                    let content = Content {
                        stream: row.stream.to_owned(),
                        kind: row.message.kind.clone(),
                        data: row.message.data.clone(),
                        metadata: None,
                    };
                    known.ids.insert(row.id, Written { place: row.place, content: Some(content) });
                    let seen = rows.insert(
                        row.place.global_position,
                        (row.stream.to_owned(), row.place.position, row.id),
                    );
                    prop_assert_eq!(seen, None);
                }
                verdicts.extend(alone.verdicts);
            }
            prop_assert_eq!(&together.verdicts, &verdicts);
            let expected: Vec<_> = rows.into_iter().collect();
            let found: Vec<_> = together
                .rows
                .iter()
                .map(|row| {
                    let Place { position, global_position } = row.place;
                    (global_position, (row.stream.to_owned(), position, row.id))
                })
                .collect();
            prop_assert_eq!(&found, &expected);
            // Places have no gaps, neither in the namespace nor in a stream.
            let mut next: HashMap<&str, i64> = HashMap::new();
            for (place, (global, (stream, position, _))) in found.iter().enumerate() {
                prop_assert_eq!(*global, place as i64 + 1);
                let next = next.entry(stream).or_default();
                prop_assert_eq!(*position, *next);
                *next += 1;
            }
            for (stream, place) in &together.heads {
                prop_assert_eq!(place.position + 1, next[stream]);
            }
        }
    }
}
