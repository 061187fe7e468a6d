use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record")]
struct Missing {
    a: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "")]
struct Empty {
    a: i32,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "public.t")]
struct Illegal {
    a: i32,
}

#[derive(Clone, Record)]
#[record(
    crate = "annals_record",
    table = "a_name_of_fifty_eight_bytes_that_is_just_one_byte_too_long"
)]
struct Long {
    a: i32,
}

fn main() {}
