//! What a value must be able to do.

/// A value that can be remembered.
pub trait Kept: Send + Sync + Sized + 'static {
    /// What it is, as keys and metrics name it: lower-case letters and `_`.
    const KIND: &'static str;

    /// Whether Redis has it too. What is not shared needs no bytes.
    const SHARED: bool = true;

    /// Changes with the bytes of [`to_bytes`](Self::to_bytes) and with what the fields in them mean: values of another
    /// format are not read.
    const FORMAT: u16;

    /// The value as bytes, whole.
    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for anything else, without a panic and without more memory
    /// than a few times the bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let _ = bytes;
        None
    }

    /// About how many bytes of memory it takes.
    fn weight(&self) -> usize;
}
