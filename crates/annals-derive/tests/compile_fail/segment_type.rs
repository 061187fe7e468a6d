use annals_record::{Record, Timestamp, TimestampMicros};

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at", segment_by = "seen")]
struct TwoColumns {
    at: TimestampMicros,
    seen: Timestamp,
}

fn main() {}
