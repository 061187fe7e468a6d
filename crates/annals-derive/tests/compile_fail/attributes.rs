use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", tabel = "t")]
struct Unknown {
    a: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = 5)]
struct NoText {
    #[record(nmae = "b")]
    a: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t", key = "a", index(a), index())]
struct NoList {
    a: i32,
}

fn main() {}
