use annals_record::TextEnum;

#[derive(Clone, Copy, TextEnum)]
#[record(crate = "annals_record", text = "t")]
enum Attributes {
    #[record(name = "b")]
    A,
    #[record(text = "a\0b")]
    Nul,
}

#[derive(Clone, Copy, TextEnum)]
#[record(crate = "annals_record")]
enum Variants {
    InProcess,
    WithFields(i32),
    Braces {},
    #[record(text = "in_process")]
    Again,
}

#[derive(Clone, Copy, TextEnum)]
#[record(crate = "annals_record")]
enum Empty {}

#[derive(Clone, Copy, TextEnum)]
#[record(crate = "annals_record")]
enum Generic<T> {
    A(T),
}

#[derive(Clone, Copy, TextEnum)]
#[record(crate = "annals_record")]
struct Struct;

fn main() {}
