use annals_record::{Record, Timestamp};

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"), on_conflict = "merge")]
struct Unknown {
    #[record(merge = "max")]
    a: i32,
    #[record(merge = "average")]
    b: i32,
    #[record(merge = "first by z")]
    c: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"), on_conflict = "merge")]
struct Types {
    a: i32,
    #[record(merge = "max")]
    b: Timestamp,
    #[record(merge = "sum")]
    c: String,
    #[record(merge = "mean by e")]
    d: f64,
    e: u64,
}

fn main() {}
