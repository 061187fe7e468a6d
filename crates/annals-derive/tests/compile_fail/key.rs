use annals_record::{Record, TimestampMicros};

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at", key("a", "b"))]
struct WithoutTime {
    a: i32,
    b: i32,
    at: TimestampMicros,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a", "b", "a"))]
struct Twice {
    a: i32,
    b: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key())]
struct Empty {
    a: i32,
}

fn main() {}
