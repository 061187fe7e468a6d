use annals_record::{Record, Timestamp};

type Instant = Option<Timestamp>;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Taken {
    at_nanos: i32,
    at: Instant,
}

fn main() {}
