//! What the derives make: descriptors, constants, and rows that come back as they were.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use annals_record::{
    ChunkInterval, Column, ColumnType, DecodeError, Direction, Field, FieldType, Filter, Json,
    Merge, OnConflict, Operand, Payload, Record, SortColumn, TextEnum, Timestamp, TimestampMicros,
    Uuid, Value, ValueSink,
};

/// One field of every type that can be one.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "everything")]
struct Everything {
    truth: bool,
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    u8: u8,
    u16: u16,
    u32: u32,
    u64: u64,
    f32: f32,
    f64: f64,
    text: String,
    bytes: Vec<u8>,
    id: Uuid,
    instant: Timestamp,
    minute: TimestampMicros,
    document: Json,
    kind: Kind,
    alias: Instant,
    own: Wrapped<Self>,
}

/// The same, absent or not.
#[derive(Clone, Debug, Default, PartialEq, Record)]
#[record(crate = "annals_record", table = "perhaps")]
struct Perhaps {
    truth: Option<bool>,
    i8: Option<i8>,
    i16: Option<i16>,
    i32: Option<i32>,
    i64: Option<i64>,
    u8: Option<u8>,
    u16: Option<u16>,
    u32: Option<u32>,
    u64: Option<u64>,
    f32: Option<f32>,
    f64: Option<f64>,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    id: Option<Uuid>,
    instant: Option<Timestamp>,
    minute: Option<TimestampMicros>,
    document: Option<Json>,
    kind: Option<Kind>,
    alias: MaybeInstant,
}

type Instant = Timestamp;
type MaybeInstant = Option<Timestamp>;

#[derive(Clone, Copy, Debug, PartialEq, TextEnum)]
#[record(crate = "annals_record")]
enum Kind {
    #[record(text = "SERVER")]
    Server,
    InProcess,
    HTTPClient,
}

/// A field type of one's own, with the record in its parameters.
struct Wrapped<R>(i64, std::marker::PhantomData<fn() -> R>);

impl<R> Clone for Wrapped<R> {
    fn clone(&self) -> Self {
        Self(self.0, self.1)
    }
}

impl<R> std::fmt::Debug for Wrapped<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<R> PartialEq for Wrapped<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R> FieldType for Wrapped<R> {
    const COLUMNS: &'static [ColumnType] = i64::COLUMNS;

    fn put<S: annals_record::ColumnSink + ?Sized>(&self, sink: &mut S) {
        self.0.put(sink);
    }

    fn take_opt<S: annals_record::ColumnSource + ?Sized>(
        source: &mut S,
    ) -> Result<Option<Self>, DecodeError> {
        Ok(i64::take_opt(source)?.map(|value| Self(value, std::marker::PhantomData)))
    }
}

fn everything() -> Everything {
    Everything {
        truth: true,
        i8: i8::MIN,
        i16: i16::MIN,
        i32: i32::MIN,
        i64: i64::MIN,
        u8: u8::MAX,
        u16: u16::MAX,
        u32: u32::MAX,
        u64: u64::MAX,
        f32: f32::MIN_POSITIVE,
        f64: f64::NEG_INFINITY,
        text: "grüße\0".to_owned(),
        bytes: vec![0, 255, 7],
        id: Uuid::from_u128(7),
        instant: Timestamp::from_unix_nanos(-1),
        minute: TimestampMicros::from_unix_micros(-60_000_000).unwrap(),
        document: Json::parse(r#"{"a": [1, null]}"#).unwrap(),
        kind: Kind::InProcess,
        alias: Timestamp::MAX,
        own: Wrapped(5, std::marker::PhantomData),
    }
}

fn perhaps() -> Perhaps {
    let present = everything();
    Perhaps {
        truth: Some(present.truth),
        i8: Some(present.i8),
        i16: Some(present.i16),
        i32: Some(present.i32),
        i64: Some(present.i64),
        u8: Some(present.u8),
        u16: Some(present.u16),
        u32: Some(present.u32),
        u64: Some(present.u64),
        f32: Some(present.f32),
        f64: Some(present.f64),
        text: Some(present.text),
        bytes: Some(present.bytes),
        id: Some(present.id),
        instant: Some(present.instant),
        minute: Some(present.minute),
        document: Some(present.document),
        kind: Some(present.kind),
        alias: Some(present.alias),
    }
}

fn values<R: Record>(record: &R) -> Vec<Value> {
    let mut sink = ValueSink::default();
    record.encode(&mut sink);
    sink.into_values()
}

fn type_of(value: &Value) -> ColumnType {
    match value {
        Value::Null(ty) => *ty,
        Value::Bool(_) => ColumnType::Bool,
        Value::Int4(_) => ColumnType::Int4,
        Value::Int8(_) => ColumnType::Int8,
        Value::UInt8(_) => ColumnType::UInt8,
        Value::Float4(_) => ColumnType::Float4,
        Value::Float8(_) => ColumnType::Float8,
        Value::Text(_) => ColumnType::Text,
        Value::Bytes(_) => ColumnType::Bytes,
        Value::Uuid(_) => ColumnType::Uuid,
        Value::Timestamp(_) => ColumnType::Timestamp,
        Value::Json(_) => ColumnType::Json,
        other => panic!("{other:?} is new here"),
    }
}

/// Every value is visited where its column lies, and the record comes back from the values.
fn round_trip<R: Record + PartialEq + std::fmt::Debug>(record: &R) {
    let columns = R::DESCRIPTOR.columns;
    let values = values(record);
    assert_eq!(values.len(), columns.len());
    for (column, value) in columns.iter().zip(&values) {
        let stored = if column.ty == ColumnType::Nanos {
            ColumnType::Int4
        } else {
            column.ty
        };
        assert!(
            type_of(value) == stored || value.is_null(),
            "{column:?} {value:?}"
        );
        assert!(column.nullable || !value.is_null(), "{column:?}");
    }
    let kept = Payload::from_bytes(&Payload::of(record).to_bytes()).unwrap();
    assert_eq!(&kept.to_record::<R>().unwrap(), record);
}

#[test]
fn a_value_of_every_type_comes_back() {
    round_trip(&everything());
    round_trip(&perhaps());
}

#[test]
fn an_absent_value_of_every_type_comes_back() {
    let absent = Perhaps::default();
    round_trip(&absent);
    for (column, value) in Perhaps::DESCRIPTOR.columns.iter().zip(values(&absent)) {
        assert_eq!(value, Value::Null(column.ty));
        assert!(column.nullable, "{column:?}");
    }
}

#[test]
fn nanoseconds_have_a_column_of_their_own_behind_an_alias_too() {
    let columns: Vec<&str> = Everything::DESCRIPTOR
        .columns
        .iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(
        columns,
        [
            "truth",
            "i8",
            "i16",
            "i32",
            "i64",
            "u8",
            "u16",
            "u32",
            "u64",
            "f32",
            "f64",
            "text",
            "bytes",
            "id",
            "instant",
            "instant_nanos",
            "minute",
            "document",
            "kind",
            "alias",
            "alias_nanos",
            "own",
        ]
    );
    assert_eq!(Everything::INSTANT.column(), 14);
    assert_eq!(Everything::MINUTE.column(), 16);
    assert_eq!(Everything::ALIAS.column(), 19);
    assert_eq!(Everything::OWN.column(), 21);
    assert_eq!(Everything::ALIAS.desc().columns(), 19..21);
    assert_eq!(Perhaps::KIND.column(), 18);
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_1m", time = "timestamp")]
#[record(
    key("symbol", "timestamp"),
    on_conflict = "update",
    chunk = "30 minutes"
)]
#[record(segment_by = "symbol", order_by = "timestamp desc, type")]
#[record(index("timestamp desc"), index("vol", "seen desc"))]
struct Bar {
    seen: Option<Timestamp>,
    symbol: String,
    timestamp: TimestampMicros,
    r#type: i32,
    #[record(name = "vol")]
    volume: u64,
}

#[test]
fn a_descriptor_says_everything_that_the_attributes_say() {
    let column = |name, ty, nullable| Column { name, ty, nullable };
    let sort = |column, direction| SortColumn { column, direction };
    let bar = Bar::DESCRIPTOR;
    assert_eq!(bar.table, "bars_1m");
    assert_eq!(
        bar.columns,
        [
            column("seen", ColumnType::Timestamp, true),
            column("seen_nanos", ColumnType::Nanos, true),
            column("symbol", ColumnType::Text, false),
            column("timestamp", ColumnType::Timestamp, false),
            column("type", ColumnType::Int4, false),
            column("vol", ColumnType::UInt8, false),
        ]
    );
    assert_eq!(bar.key, [2, 3]);
    assert_eq!(bar.on_conflict, OnConflict::Update);
    assert_eq!(bar.time, Some(3));
    assert_eq!(bar.chunk, Some(ChunkInterval::from_secs(1_800)));
    assert_eq!(bar.segment_by, Some(2));
    assert_eq!(
        bar.order_by,
        [
            sort(3, Direction::Descending),
            sort(4, Direction::Ascending)
        ]
    );
    let indexes: Vec<&[SortColumn]> = bar.indexes.iter().map(|index| index.columns).collect();
    assert_eq!(
        indexes,
        [
            &[sort(3, Direction::Descending)][..],
            &[
                sort(5, Direction::Ascending),
                sort(0, Direction::Descending)
            ],
        ]
    );
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "parts")]
#[record(key("id"), on_conflict = "merge")]
struct Part {
    seen: Option<Timestamp>,
    id: i32,
    #[record(merge = "first by from")]
    open: f64,
    #[record(merge = "last by to")]
    close: f64,
    #[record(merge = "max")]
    high: f64,
    #[record(merge = "sum")]
    volume: i64,
    #[record(merge = "mean by volume")]
    mean: f64,
    #[record(merge = "min")]
    from: Option<TimestampMicros>,
    #[record(merge = "max")]
    to: Option<TimestampMicros>,
}

#[test]
fn a_descriptor_says_how_columns_are_merged() {
    let part = Part::DESCRIPTOR;
    assert_eq!(part.on_conflict, OnConflict::Merge);
    assert_eq!(
        part.merge,
        [
            (3, Merge::First { by: 8 }),
            (4, Merge::Last { by: 9 }),
            (5, Merge::Greatest),
            (6, Merge::Sum),
            (7, Merge::Mean { weight: 6 }),
            (8, Merge::Least),
            (9, Merge::Greatest),
        ]
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let bare = Perhaps::DESCRIPTOR;
    assert_eq!((bare.key, bare.time, bare.chunk), (&[][..], None, None));
    assert_eq!(bare.on_conflict, OnConflict::Ignore);
    assert_eq!(bare.merge, []);
    assert_eq!((bare.segment_by, bare.order_by), (None, &[][..]));
    assert!(bare.indexes.is_empty());

    #[derive(Clone, Record)]
    #[record(crate = "annals_record", table = "ticks", time = "at")]
    struct Tick {
        at: Timestamp,
    }
    assert_eq!(
        Tick::DESCRIPTOR.chunk,
        Some(ChunkInterval::from_secs(604_800))
    );
    assert_eq!(values(&Tick { at: Timestamp::MIN }).len(), 2);
}

#[test]
fn a_second_column_takes_its_name_only_where_there_is_one() {
    #[derive(Clone, Record)]
    #[record(crate = "annals_record", table = "t")]
    struct Split {
        at: TimestampMicros,
        at_nanos: i32,
    }
    let split = Split {
        at: TimestampMicros::default(),
        at_nanos: 1,
    };
    assert_eq!(values(&split), [Value::Timestamp(0), Value::Int4(1)]);
}

#[test]
fn a_constant_carries_the_type_of_its_field() {
    let _: Field<Bar, u64> = Bar::VOLUME;
    let _: Field<Bar, Option<Timestamp>> = Bar::SEEN;
    let _: Field<Bar, i32> = Bar::TYPE;
    let _: Filter<Bar> = Bar::SYMBOL.eq("BTC").and(Bar::VOLUME.gt(3));
    let columns = [
        Bar::SEEN.column(),
        Bar::SYMBOL.column(),
        Bar::TIMESTAMP.column(),
    ];
    assert_eq!(columns, [0, 2, 3]);
    assert_eq!([Bar::TYPE.column(), Bar::VOLUME.column()], [4, 5]);
}

#[test]
fn a_row_that_is_no_record_says_in_which_column() {
    #[derive(Clone, Debug, Record)]
    #[record(crate = "annals_record", table = "t")]
    struct Wide {
        #[record(name = "amount")]
        n: i64,
    }
    #[derive(Clone, Debug, Record)]
    #[record(crate = "annals_record", table = "t")]
    struct Narrow {
        amount: i32,
    }
    #[derive(Clone, Debug, Record)]
    #[record(crate = "annals_record", table = "t")]
    struct More {
        amount: i64,
        text: String,
    }
    let payload = Payload::of(&Wide { n: i64::MAX });
    let error = payload.to_record::<Narrow>().unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::Column {
                column: "amount",
                ..
            }
        ),
        "{error:?}"
    );
    let error = payload.to_record::<More>().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"column "text" is absent, but the field must have a value"#
    );
}

#[test]
fn an_enum_is_the_text_of_its_variants() {
    assert_eq!(
        Kind::VARIANTS,
        [
            (Kind::Server, "SERVER"),
            (Kind::InProcess, "in_process"),
            (Kind::HTTPClient, "http_client")
        ]
    );
    assert_eq!(Kind::EXPECTED, "SERVER, in_process, http_client");
    for (variant, text) in Kind::VARIANTS {
        assert_eq!(variant.as_text(), *text);
        assert_eq!(Kind::from_text(text), Some(*variant));
    }
    assert_eq!(Kind::from_text("server"), None);
}

#[test]
fn an_enum_can_be_compared_with_a_field_of_it_and_with_one_that_may_be_absent() {
    fn stored<T>(operand: impl Operand<T>) -> Vec<Value> {
        operand.into_values()
    }
    assert_eq!(
        stored::<Kind>(Kind::Server),
        [Value::Text("SERVER".to_owned())]
    );
    assert_eq!(
        stored::<Option<Kind>>(Kind::Server),
        [Value::Text("SERVER".to_owned())]
    );
    let _: Filter<Everything> = Everything::KIND.is_in([Kind::Server, Kind::InProcess]);
    let _: Filter<Perhaps> = Perhaps::KIND.eq(Kind::Server);
}

#[test]
fn a_text_that_names_no_variant_is_refused_with_those_that_do() {
    #[derive(Clone, Record)]
    #[record(crate = "annals_record", table = "t")]
    struct Written {
        kind: String,
    }
    #[derive(Clone, Debug, Record)]
    #[record(crate = "annals_record", table = "t")]
    struct Read {
        kind: Kind,
    }
    let payload = Payload::of(&Written {
        kind: "CLIENT".to_owned(),
    });
    let error = payload.to_record::<Read>().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"column "kind" holds "CLIENT", which is not one of SERVER, in_process, http_client"#
    );
}

#[test]
fn versions_of_a_row_are_ordered_by_a_column() {
    #[derive(Clone, Record)]
    #[record(
        crate = "annals_record",
        table = "t",
        key("id"),
        on_conflict = "newer by revision"
    )]
    #[allow(dead_code, reason = "only its description is looked at")]
    struct Versioned {
        id: i32,
        #[record(merge = "same")]
        owner: String,
        at: annals_record::Timestamp,
        revision: i64,
    }
    let descriptor = Versioned::DESCRIPTOR;
    assert_eq!(descriptor.on_conflict, OnConflict::Newer);
    // Behind the two columns of the time.
    assert_eq!(descriptor.newer_by, Some(4));
    assert_eq!(descriptor.merge, [(1, Merge::Same)]);
}
