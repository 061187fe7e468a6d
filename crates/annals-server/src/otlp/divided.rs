//! Requests in protobuf of which a record is nested deeper than protobuf's reader goes.
//!
//! The reader stops at 100 messages in each other, so that nobody exhausts the stack, and gives up the whole request: some
//! 45 levels in one attribute would refuse every record beside it. So such a request is taken apart by hand, as far as its
//! records, and each of these is read alone: the deep one refuses itself.

use bytes::Buf as _;
use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::{
    Decoded, FieldError, Identity, Problem, RefusedRecord, Told,
    attributes::MAX_NESTING,
    layers::{ItemOf, OfResource, OfScope as _},
};

/// The list of a request, and what is around of a resource or scope.
const FIRST: u32 = 1;
/// The list of a resource or scope.
const LIST: u32 = 2;
/// Their schema.
const SCHEMA: u32 = 3;

/// A request that was taken apart.
#[derive(Debug)]
pub(crate) struct Divided<R> {
    /// What could be read.
    pub(crate) request: Vec<R>,
    /// The places in the request, from 0, of messages that are nested too deeply, in order.
    too_deep: Vec<usize>,
}

/// Whether a request was given up for being too deep.
pub(crate) fn is_too_deep(error: &DecodeError) -> bool {
    // Its kind is nobody's to see.
    error.to_string().contains("recursion limit")
}

impl<R> Divided<R>
where
    R: OfResource,
    ItemOf<R>: Message + Default,
{
    /// Takes a request apart; `None` when it cannot be read for another reason than its depth.
    pub(crate) fn of(request: &[u8]) -> Option<Self> {
        let (mut whole, mut too_deep, mut place) = (Vec::new(), Vec::new(), 0);
        for of_resource in Layer::of(request)?.first {
            let of_resource = Layer::of(of_resource)?;
            let resource = read::<Resource>(of_resource.first.last().copied())?;
            let mut scopes = Vec::new();
            for of_scope in &of_resource.list {
                let of_scope = Layer::of(of_scope)?;
                let scope = read::<InstrumentationScope>(of_scope.first.last().copied())?;
                let mut items = Vec::new();
                for item in &of_scope.list {
                    match read::<ItemOf<R>>(Some(item))? {
                        // What is around it is too deep for all that is in it.
                        Read::Message(item) if resource.is_read() && scope.is_read() => {
                            items.extend(item)
                        }
                        _ => too_deep.push(place),
                    }
                    place += 1;
                }
                scopes.push(R::Scope::close(scope.message(), items, of_scope.schema()?));
            }
            whole.push(R::close(resource.message(), scopes, of_resource.schema()?));
        }
        Some(Self {
            request: whole,
            too_deep,
        })
    }
}

/// Adds the refusals of what was too deep to what became of the rest.
pub(crate) fn with_too_deep<T: Told>(mut decoded: Decoded<T>, too_deep: &[usize]) -> Decoded<T> {
    for refused in &mut decoded.refused {
        for place in too_deep {
            refused.index += usize::from(*place <= refused.index);
        }
    }
    let refused = too_deep.iter().map(|place| {
        let reason = FieldError::new("attributes", Problem::TooDeep { most: MAX_NESTING });
        RefusedRecord::new(T::KIND, *place, Identity::default(), reason)
    });
    decoded.refused.extend(refused);
    decoded.refused.sort_by_key(|refused| refused.index);
    decoded
}

impl<R> Divided<R> {
    /// The request as far as it could be read, and what was too deep.
    pub(crate) fn into_parts(self) -> (Vec<R>, Vec<usize>) {
        (self.request, self.too_deep)
    }
}

/// What became of a message that may be absent.
enum Read<M> {
    Message(Option<M>),
    TooDeep,
}

impl<M> Read<M> {
    fn is_read(&self) -> bool {
        matches!(self, Self::Message(_))
    }

    fn message(self) -> Option<M> {
        match self {
            Self::Message(message) => message,
            Self::TooDeep => None,
        }
    }
}

fn read<M: Message + Default>(bytes: Option<&[u8]>) -> Option<Read<M>> {
    match bytes.map(M::decode).transpose() {
        Ok(message) => Some(Read::Message(message)),
        Err(error) if is_too_deep(&error) => Some(Read::TooDeep),
        Err(_) => None,
    }
}

/// The fields of a message that surrounds others, as bytes.
#[derive(Default)]
struct Layer<'a> {
    first: Vec<&'a [u8]>,
    list: Vec<&'a [u8]>,
    schema: &'a [u8],
}

impl<'a> Layer<'a> {
    fn of(message: &'a [u8]) -> Option<Self> {
        let mut rest = message;
        let mut layer = Self::default();
        while rest.has_remaining() {
            let (tag, wire_type) = decode_key(&mut rest).ok()?;
            if wire_type != WireType::LengthDelimited {
                skip_field(wire_type, tag, &mut rest, DecodeContext::default()).ok()?;
                continue;
            }
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            let (field, behind) = rest.split_at_checked(length)?;
            rest = behind;
            match tag {
                FIRST => layer.first.push(field),
                LIST => layer.list.push(field),
                SCHEMA => layer.schema = field,
                _ => {}
            }
        }
        Some(layer)
    }

    fn schema(&self) -> Option<String> {
        Some(std::str::from_utf8(self.schema).ok()?.to_owned())
    }
}
