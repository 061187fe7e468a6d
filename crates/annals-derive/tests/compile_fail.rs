//! What the derives refuse, and how they say so.

#[test]
fn refused_with_a_reason_at_the_place() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
