//! Rows survive being bytes.

use annals_record::Record;
use annals_testkit::generate;
use proptest::prelude::*;

use super::row::{Reader, Rows, format_of, weight_of};
use crate::{Span, Trace};

/// The rows as bytes, and what is read of these, by what it shows: NaN is not equal to itself.
fn again<R: Record + std::fmt::Debug>(rows: &[R]) -> (Vec<u8>, Option<String>) {
    let mut written = Rows::default();
    rows.iter().for_each(|row| written.push(row));
    let bytes = written.into_bytes();
    let read = shown::<R>(&bytes);
    (bytes, read)
}

fn shown<R: Record + std::fmt::Debug>(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader::new(bytes);
    let mut read = Vec::<R>::new();
    while let Some(row) = reader.next() {
        read.push(row.ok()?);
    }
    Some(format!("{read:?}"))
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        spans in prop::collection::vec(generate::span(), 0..5),
        everything in prop::collection::vec(generate::everything(), 0..5),
    ) {
        prop_assert_eq!(again(&spans).1, Some(format!("{spans:?}")));
        let (bytes, read) = again(&everything);
        prop_assert_eq!(read, Some(format!("{everything:?}")));
        prop_assert!(weight_of(&everything) >= bytes.len() / 2);
    }

    #[test]
    fn damaged_bytes_are_no_rows_and_no_panic(
        span in generate::span(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (mut bytes, _) = again(&[span]);
        let at = at.index(bytes.len());
        let cut = shown::<Span>(&bytes[..at]);
        prop_assert!(at == 0 || cut.is_none());
        bytes[at] = byte;
        shown::<Span>(&bytes);
    }

    #[test]
    fn bytes_that_somebody_made_up_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        shown::<Span>(&bytes);
        shown::<generate::Everything>(&bytes);
    }
}

#[test]
fn another_list_of_columns_is_another_format() {
    let spans = format_of(Span::DESCRIPTOR);
    let traces = format_of(Trace::DESCRIPTOR);
    assert_ne!(spans, traces);
    assert_eq!(spans, format_of(Span::DESCRIPTOR));
}
