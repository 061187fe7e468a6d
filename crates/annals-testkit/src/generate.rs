//! Records with every type of column and every nasty value.

use annals_record::{Json, Record, TextEnum, Timestamp, TimestampMicros, Uuid};
use annals_telemetry::{Span, SpanKind, StatusCode};
use proptest::{collection::vec, option, prelude::*};

/// A record with every type of column, present and absent.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "everything",
    time = "at",
    key("id", "at"),
    on_conflict = "update",
    chunk = "30 days"
)]
#[expect(missing_docs, reason = "the names are the types")]
pub struct Everything {
    pub id: i64,
    pub at: Timestamp,
    pub truth: bool,
    pub tiny: i8,
    pub byte: u8,
    pub short: i16,
    pub ushort: u16,
    pub int: i32,
    pub uint: u32,
    pub long: i64,
    pub ulong: u64,
    pub single: f32,
    pub double: f64,
    pub text: String,
    pub bytes: Vec<u8>,
    pub uuid: Uuid,
    pub micros: TimestampMicros,
    pub json: Json,
    pub color: Color,
    pub maybe_truth: Option<bool>,
    pub maybe_int: Option<i32>,
    pub maybe_ulong: Option<u64>,
    pub maybe_single: Option<f32>,
    pub maybe_double: Option<f64>,
    pub maybe_text: Option<String>,
    pub maybe_bytes: Option<Vec<u8>>,
    pub maybe_uuid: Option<Uuid>,
    pub maybe_time: Option<Timestamp>,
    pub maybe_json: Option<Json>,
    pub maybe_color: Option<Color>,
}

/// A text-backed enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TextEnum)]
#[record(crate = "annals_record")]
#[expect(missing_docs, reason = "the names are the values")]
pub enum Color {
    Red,
    Green,
    #[record(text = "BLAU, aber \"schön\"")]
    Blue,
}

/// Whether two records are the same, a NaN being the same as a NaN.
#[must_use]
pub fn same(a: &Everything, b: &Everything) -> bool {
    // NaN is the one value that is not equal to itself; `Debug` shows every bit that a backend keeps,
    // the sign of zero included.
    format!("{a:?}") == format!("{b:?}")
}

fn color() -> impl Strategy<Value = Color> {
    prop_oneof![Just(Color::Red), Just(Color::Green), Just(Color::Blue)]
}

/// Any text that every backend can hold: all of Unicode but U+0000.
pub fn text() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just(String::new()),
        Just("'; DROP TABLE everything; --".to_owned()),
        Just("\\N \\. \\\\ \t\r\n \u{7f} \u{feff}".to_owned()),
        Just("NULL".to_owned()),
        Just("NaN".to_owned()),
        Just("😀 \u{10ffff} ا \u{202e}".to_owned()),
        Just("x".repeat(70_000)),
    ];
    prop_oneof![4 => any::<String>().prop_map(|text| text.replace('\0', "")), 1 => nasty]
}

/// Any double, NaN, infinities, both zeros and subnormals among them.
pub fn double() -> impl Strategy<Value = f64> {
    // One NaN: which of the many it is, no backend keeps.
    any::<f64>().prop_map(|value| if value.is_nan() { f64::NAN } else { value })
}

fn single() -> impl Strategy<Value = f32> {
    any::<f32>().prop_map(|value| if value.is_nan() { f32::NAN } else { value })
}

/// Any instant that PostgreSQL can hold, to the nanosecond.
pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_unix_nanos)
}

/// Instants of one year: few chunks.
pub fn recent() -> impl Strategy<Value = Timestamp> {
    let year = 1_735_689_600_000_000_000_i64;
    (0..31_536_000_000_000_000_i64).prop_map(move |nanos| Timestamp::from_unix_nanos(year + nanos))
}

/// Any JSON document without U+0000.
pub fn json() -> impl Strategy<Value = Json> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no NaN", |value| value.is_finite())
            .prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    tree.prop_map(|tree| Json::try_from(&tree).expect("a tree is JSON"))
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

/// Any record that can be built, U+0000 apart.
pub fn everything() -> impl Strategy<Value = Everything> {
    let integers = (
        any::<i8>(),
        any::<u8>(),
        any::<i16>(),
        any::<u16>(),
        any::<i32>(),
        any::<u32>(),
        any::<i64>(),
        any::<u64>(),
    );
    let rest = (
        any::<bool>(),
        single(),
        double(),
        text(),
        vec(any::<u8>(), 0..64),
        uuid(),
        timestamp(),
        json(),
        color(),
    );
    let maybe = (
        option::of(any::<bool>()),
        option::of(any::<i32>()),
        option::of(any::<u64>()),
        option::of(single()),
        option::of(double()),
        option::of(text()),
        option::of(vec(any::<u8>(), 0..64)),
        option::of(uuid()),
        option::of(timestamp()),
        option::of(json()),
    );
    (
        any::<i64>(),
        recent(),
        integers,
        rest,
        maybe,
        option::of(color()),
    )
        .prop_map(|(id, at, integers, rest, maybe, maybe_color)| Everything {
            id,
            at,
            tiny: integers.0,
            byte: integers.1,
            short: integers.2,
            ushort: integers.3,
            int: integers.4,
            uint: integers.5,
            long: integers.6,
            ulong: integers.7,
            truth: rest.0,
            single: rest.1,
            double: rest.2,
            text: rest.3,
            bytes: rest.4,
            uuid: rest.5,
            micros: TimestampMicros::floor(rest.6),
            json: rest.7,
            color: rest.8,
            maybe_truth: maybe.0,
            maybe_int: maybe.1,
            maybe_ulong: maybe.2,
            maybe_single: maybe.3,
            maybe_double: maybe.4,
            maybe_text: maybe.5,
            maybe_bytes: maybe.6,
            maybe_uuid: maybe.7,
            maybe_time: maybe.8,
            maybe_json: maybe.9,
            maybe_color,
        })
}

/// Records with different keys.
pub fn many(
    size: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Everything>> {
    vec(everything(), size).prop_map(|mut records| {
        for (id, record) in (0_i64..).zip(&mut records) {
            record.id = id;
        }
        records
    })
}

fn kind() -> impl Strategy<Value = SpanKind> {
    prop_oneof![
        Just(SpanKind::Unspecified),
        Just(SpanKind::Internal),
        Just(SpanKind::Server),
        Just(SpanKind::Client),
        Just(SpanKind::Producer),
        Just(SpanKind::Consumer),
    ]
}

fn status() -> impl Strategy<Value = StatusCode> {
    prop_oneof![
        Just(StatusCode::Unset),
        Just(StatusCode::Ok),
        Just(StatusCode::Error)
    ]
}

/// Any span that can be built, U+0000 apart.
pub fn span() -> impl Strategy<Value = Span> {
    let ids = (
        text(),
        text(),
        option::of(text()),
        text(),
        text(),
        recent(),
        any::<i64>(),
    );
    let model = (
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(any::<i32>()),
        option::of(any::<i32>()),
        option::of(any::<i32>()),
        option::of(double()),
        option::of(json()),
    );
    let otel = (
        kind(),
        status(),
        option::of(text()),
        option::of(text()),
        any::<u32>(),
        option::of(json()),
        option::of(json()),
        any::<[u32; 5]>(),
        option::of(json()),
        option::of(text()),
    );
    let scope = (
        option::of(text()),
        option::of(text()),
        option::of(json()),
        option::of(text()),
    );
    let genai = (
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(any::<i64>()),
        option::of(any::<i64>()),
        option::of(any::<i64>()),
        option::of(text()),
        option::of(double()),
    );
    let told = (
        option::of(text()),
        option::of(any::<i64>()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    // Boxed, since all of it at once is more than a test's stack holds.
    let parts = (
        ids.boxed(),
        model.boxed(),
        otel.boxed(),
        scope.boxed(),
        (genai.boxed(), told.boxed()),
    );
    parts.prop_map(|(ids, model, otel, scope, (genai, told))| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        service_name: ids.3,
        operation_name: ids.4,
        start_time: ids.5,
        duration_nanos: ids.6,
        status: model.0,
        model_name: model.1,
        model_version: model.2,
        batch_size: model.3,
        input_tokens: model.4,
        output_tokens: model.5,
        gpu_utilization: model.6,
        tags: model.7,
        kind: otel.0,
        status_code: otel.1,
        status_message: otel.2,
        trace_state: otel.3,
        flags: otel.4,
        events: otel.5,
        links: otel.6,
        dropped_attributes_count: otel.7[0],
        dropped_events_count: otel.7[1],
        dropped_links_count: otel.7[2],
        resource: otel.8,
        resource_dropped_attributes_count: otel.7[3],
        resource_schema_url: otel.9,
        scope_name: scope.0,
        scope_version: scope.1,
        scope_attributes: scope.2,
        scope_dropped_attributes_count: otel.7[4],
        scope_schema_url: scope.3,
        provider: genai.0,
        gen_ai_operation: genai.1,
        request_model: genai.2,
        response_model: genai.3,
        cached_tokens: genai.4,
        reasoning_tokens: genai.5,
        time_to_first_token_nanos: genai.6,
        conversation_id: genai.7,
        cost: genai.8,
        user_id: told.0,
        cache_write_tokens: told.1,
        token_convention: told.2,
        finish_reason: told.3,
        response_id: told.4,
        tool_name: told.5,
        agent_name: told.6,
        cost_source: told.7,
    })
}
