use annals_record::{Record, TimestampMicros};

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at")]
#[record(order_by = "at descending", index("a", "at down"), index("a desc, at"), index(""))]
struct Direction {
    a: i32,
    at: TimestampMicros,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at")]
#[record(segment_by = "a", order_by = "at, a", index("at", "at desc"))]
struct Twice {
    a: i32,
    at: TimestampMicros,
}

fn main() {}
