use annals_record::{Record, TimestampMicros};

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at", chunk = "1 month")]
struct Unit {
    at: TimestampMicros,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
#[record(chunk = "1 day", segment_by = "a", order_by = "at")]
struct WithoutTime {
    a: i32,
    at: TimestampMicros,
}

fn main() {}
