use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"), on_conflict = "newer by revison")]
struct Misspelt {
    a: i32,
    revision: i64,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"), on_conflict = "newer by a")]
struct InTheKey {
    a: i64,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"), on_conflict = "newer by revision")]
struct MayBeAbsent {
    a: i64,
    revision: Option<i64>,
}

fn main() {}
