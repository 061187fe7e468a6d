//! Bodies and messages as they came, packed or not, and what they unpack to: bounded either way.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};

use crate::body::BodyError;

/// Larger ones are read where they do not hold others up.
const LARGE: usize = 64 << 10;

/// The most memory that a frame of Zstandard may ask for, as a power of two: 8 MiB (source: RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    #[default]
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// What is spoken, for those who send something else.
    pub(crate) const SPOKEN: &'static str = "identity,gzip,zstd";

    /// The coding of a name, in any case (source: RFC 9110, "Content Codings").
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Bytes as they came.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Bytes,
    pub(crate) coding: Coding,
    /// The most that they may unpack to.
    pub(crate) most: usize,
}

impl Packed {
    /// Whether it is read so quickly that nobody waits for it.
    pub(crate) fn is_small(&self) -> bool {
        self.coding == Coding::Identity && self.bytes.len() < LARGE
    }

    /// The bytes that were packed. Members of gzip and frames of Zstandard one after the other are one
    /// whole (source: RFC 1952, "File format", and RFC 8878, "Frames").
    pub(crate) fn unpack(self) -> Result<Bytes, BodyError> {
        let most = self.most;
        let unpacked = match self.coding {
            Coding::Identity => return bounded(self.bytes, most),
            Coding::Gzip => read(flate2::read::MultiGzDecoder::new(self.bytes.reader()), most),
            Coding::Zstd => zstd::Decoder::new(self.bytes.reader()).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                read(decoder, most)
            }),
        };
        bounded(unpacked.map_err(BodyError::Packed)?, most)
    }
}

fn bounded(bytes: Bytes, most: usize) -> Result<Bytes, BodyError> {
    if bytes.len() > most {
        return Err(BodyError::TooLarge { most });
    }
    Ok(bytes)
}

/// What there is to read, of what is too large as much as shows that it is.
fn read(source: impl Read, most: usize) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_asks_for_more_memory_than_it_may_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        io::copy(&mut io::repeat(7).take(200 << 20), &mut encoder).unwrap();
        let packed = Packed {
            bytes: encoder.finish().unwrap().into(),
            coding: Coding::Zstd,
            most: 1 << 30,
        };
        assert!(matches!(packed.unpack(), Err(BodyError::Packed(_))));
    }
}
