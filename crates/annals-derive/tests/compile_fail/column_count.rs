use annals_record::{ColumnSink, ColumnSource, ColumnType, DecodeError, FieldType, Record};

#[derive(Clone)]
struct Pair(i32, i32);

impl FieldType for Pair {
    const COLUMNS: &'static [ColumnType] = &[ColumnType::Int4, ColumnType::Int4];

    fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
        self.0.put(sink);
        self.1.put(sink);
    }

    fn take_opt<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Option<Self>, DecodeError> {
        Ok(i32::take_opt(source)?.zip(i32::take_opt(source)?).map(|(a, b)| Self(a, b)))
    }
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "t")]
struct Unnamed {
    a: i32,
    b: Pair,
}

fn main() {}
