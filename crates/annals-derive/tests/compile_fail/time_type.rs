use annals_record::{Record, Timestamp};

type Maybe<T> = Option<T>;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at", key("at"))]
struct NoTimestamp {
    at: i64,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", time = "at", key("at"))]
struct Absent {
    at: Maybe<Timestamp>,
}

fn main() {}
