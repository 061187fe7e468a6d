//! A payload gives back the record that it was made of, and takes any bytes without falling over.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use annals_record::{
    DecodeError, Json, Payload, PayloadError, Record, TextEnum, Timestamp, TimestampMicros, Uuid,
};
use proptest::{collection::vec, option, prelude::*, sample::Index, sample::select};

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "samples",
    time = "at",
    key("id", "at")
)]
struct Sample {
    id: Uuid,
    at: Timestamp,
    minute: TimestampMicros,
    truth: bool,
    small: i8,
    int: i32,
    long: i64,
    unsigned: u64,
    single: f32,
    double: f64,
    text: String,
    bytes: Vec<u8>,
    document: Json,
    kind: Kind,
    seen: Option<Timestamp>,
    note: Option<String>,
    amount: Option<f64>,
    extra: Option<Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, TextEnum)]
#[record(crate = "annals_record")]
enum Kind {
    Small,
    #[record(text = "LARGE")]
    Large,
}

/// What became of [`Sample`]: columns went, came and changed places.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "samples")]
struct Later {
    text: String,
    came: Option<Timestamp>,
    id: Uuid,
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(",")))
    })
    .prop_map(|text| Json::parse(&text).unwrap())
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_unix_nanos)
}

/// Every bit pattern, the many that are no number among them.
fn double() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn sample() -> impl Strategy<Value = Sample> {
    let fixed = (
        any::<u128>().prop_map(Uuid::from_u128),
        timestamp(),
        timestamp().prop_map(TimestampMicros::floor),
        any::<bool>(),
        any::<(i8, i32, i64, u64)>(),
        any::<u32>().prop_map(f32::from_bits),
        double(),
    );
    let varying = (
        any::<String>(),
        any::<Vec<u8>>(),
        json(),
        select(vec![Kind::Small, Kind::Large]),
        option::of(timestamp()),
        any::<Option<String>>(),
        option::of(double()),
        option::of(json()),
    );
    (fixed, varying).prop_map(|(fixed, varying)| {
        let (id, at, minute, truth, (small, int, long, unsigned), single, double) = fixed;
        let (text, bytes, document, kind, seen, note, amount, extra) = varying;
        Sample {
            id,
            at,
            minute,
            truth,
            small,
            int,
            long,
            unsigned,
            single,
            double,
            text,
            bytes,
            document,
            kind,
            seen,
            note,
            amount,
            extra,
        }
    })
}

/// Whatever bytes turn out to be, all that one can do with them works.
fn use_up(bytes: &[u8]) {
    let Ok(payload) = Payload::from_bytes(bytes) else {
        return;
    };
    let _ = payload.to_record::<Sample>();
    let _ = payload.to_record::<Later>();
    serde_json::to_string(&payload).unwrap();
    let written = payload.to_bytes();
    assert_eq!(Payload::from_bytes(&written).unwrap().to_bytes(), written);
}

proptest! {
    #[test]
    fn a_record_comes_back_bit_by_bit(sample in sample()) {
        let bytes = Payload::of(&sample).to_bytes();
        let back: Sample = Payload::from_bytes(&bytes).unwrap().to_record().unwrap();
        // What is no number equals nothing, but has bits.
        prop_assert_eq!(Payload::of(&back).to_bytes(), bytes);
        let same = Sample { single: 0.0, double: 0.0, amount: None, ..sample };
        prop_assert_eq!(Sample { single: 0.0, double: 0.0, amount: None, ..back }, same);
    }

    #[test]
    fn a_record_of_other_columns_takes_those_that_it_has(sample in sample()) {
        let bytes = Payload::of(&sample).to_bytes();
        let later: Later = Payload::from_bytes(&bytes).unwrap().to_record().unwrap();
        prop_assert_eq!(later, Later { text: sample.text, came: None, id: sample.id });
    }

    #[test]
    fn every_cut_is_noticed(sample in sample(), at in any::<Index>(), more in any::<u8>()) {
        let mut bytes = Payload::of(&sample).to_bytes();
        let cut = Payload::from_bytes(&bytes[..at.index(bytes.len())]);
        prop_assert!(matches!(cut, Err(PayloadError::Damaged(_))), "{cut:?}");
        let length = bytes.len();
        bytes.push(more);
        let longer = Payload::from_bytes(&bytes);
        prop_assert!(matches!(longer, Err(PayloadError::Damaged(at)) if at == length));
    }

    #[test]
    fn no_damage_panics(sample in sample(), damage in vec(any::<(Index, u8)>(), 1..8)) {
        let mut bytes = Payload::of(&sample).to_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        use_up(&bytes);
    }

    #[test]
    fn no_bytes_panic(mut bytes in any::<Vec<u8>>()) {
        use_up(&bytes);
        if let Some(format) = bytes.first_mut() {
            *format = 1;
        }
        use_up(&bytes);
    }
}

#[test]
fn a_format_of_the_future_is_named() {
    let error = Payload::from_bytes(&[2, 0, 0]).unwrap_err();
    assert!(matches!(error, PayloadError::Format(2)), "{error:?}");
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_column() {
    #[derive(Clone, Record)]
    #[record(crate = "annals_record", table = "samples")]
    struct Other {
        text: i64,
        id: Uuid,
    }
    let payload = Payload::of(&Other {
        text: 7,
        id: Uuid::nil(),
    });
    let error = payload.to_record::<Later>().unwrap_err();
    assert!(
        matches!(error, DecodeError::Column { column: "text", .. }),
        "{error:?}"
    );
}

#[test]
fn people_are_shown_json() {
    #[derive(Clone, Record)]
    #[record(crate = "annals_record", table = "shown")]
    struct Shown {
        at: Timestamp,
        bytes: Vec<u8>,
        ratio: f64,
        document: Json,
        id: Uuid,
        absent: Option<i32>,
    }
    let shown = Payload::of(&Shown {
        at: Timestamp::from_unix_nanos(1_500_000_007),
        bytes: vec![0, 0xAB],
        ratio: f64::NAN,
        document: Json::parse(r#"{"a": [1]}"#).unwrap(),
        id: Uuid::nil(),
        absent: None,
    });
    assert_eq!(
        serde_json::to_value(&shown).unwrap(),
        serde_json::json!({
            "at": "1970-01-01T00:00:01.5Z",
            "at_nanos": 7,
            "bytes": "00ab",
            "ratio": "NaN",
            "document": {"a": [1]},
            "id": "00000000-0000-0000-0000-000000000000",
            "absent": null,
        })
    );
}
