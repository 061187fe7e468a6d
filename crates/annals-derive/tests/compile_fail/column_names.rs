use annals_record::Record;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Names {
    #[record(name = "")]
    empty: i32,
    #[record(name = "Upper")]
    illegal: i32,
    ümlaut: i32,
    #[record(name = "a_name_of_fifty_eight_bytes_that_is_just_one_byte_too_long")]
    long: i32,
    xmin: i32,
    #[record(name = "long2")]
    twice: i32,
    long2: i32,
    #[allow(non_snake_case)]
    #[record(name = "other")]
    Twice: i32,
    descriptor: i32,
}

fn main() {}
