use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"), on_conflict = "replace")]
struct Unknown {
    a: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", on_conflict = "update")]
struct WithoutKey {
    a: i32,
}

fn main() {}
