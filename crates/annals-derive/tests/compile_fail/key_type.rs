use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a", "name"))]
struct Absent {
    a: i32,
    #[record(name = "name")]
    b: Option<String>,
}

fn main() {}
