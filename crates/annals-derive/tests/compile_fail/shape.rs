use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Tuple(i32);

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Unit;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Empty {}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
enum Enum {
    A,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Generic<T> {
    a: T,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Borrowed<'a> {
    a: &'a str,
}

fn main() {}
