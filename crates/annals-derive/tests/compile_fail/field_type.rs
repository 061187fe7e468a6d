use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key("a"))]
struct NoColumn {
    a: i32,
    b: usize,
}

fn main() {}
