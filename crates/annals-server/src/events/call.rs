//! A call: an array whose first element is a method's name, and what is asked for by it.

use annals_events::{CategoryQuery, NewNamespace, StreamList, StreamQuery, Token};
use http::StatusCode;
use serde_json::{json, value::RawValue};

use super::{
    arguments::{Arguments, Value},
    fault::Fault,
    reading,
    write::Write,
};

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    SysVersion,
    SysHealth,
    StreamWrite,
    StreamGet,
    StreamLast,
    StreamVersion,
    CategoryGet,
    NsCreate,
    NsDelete,
    NsList,
    NsInfo,
    NsStreams,
    NsCategories,
}

impl Method {
    const ALL: [Self; 13] = [
        Self::StreamWrite,
        Self::StreamGet,
        Self::StreamLast,
        Self::StreamVersion,
        Self::CategoryGet,
        Self::SysVersion,
        Self::SysHealth,
        Self::NsCreate,
        Self::NsDelete,
        Self::NsList,
        Self::NsInfo,
        Self::NsStreams,
        Self::NsCategories,
    ];

    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SysVersion => "sys.version",
            Self::SysHealth => "sys.health",
            Self::StreamWrite => "stream.write",
            Self::StreamGet => "stream.get",
            Self::StreamLast => "stream.last",
            Self::StreamVersion => "stream.version",
            Self::CategoryGet => "category.get",
            Self::NsCreate => "ns.create",
            Self::NsDelete => "ns.delete",
            Self::NsList => "ns.list",
            Self::NsInfo => "ns.info",
            Self::NsStreams => "ns.streams",
            Self::NsCategories => "ns.categories",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Call {
    SysVersion,
    SysHealth,
    StreamWrite(Write),
    StreamGet(StreamQuery),
    StreamLast(String, Option<String>),
    StreamVersion(String),
    CategoryGet(CategoryQuery),
    NsCreate(NewNamespace),
    NsDelete(String),
    NsList,
    NsInfo(String),
    NsStreams(StreamList),
    NsCategories,
}

/// A request's body as it was read: which method it names, and what it asks for.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Known even where its arguments are not; nothing for a method that there is not.
    pub(crate) method: Option<Method>,
    pub(crate) call: Result<Call, Fault>,
}

/// Reads a request's body.
pub(crate) fn read(body: &[u8]) -> Reading {
    let (method, arguments) = match take_apart(body) {
        Ok(taken) => taken,
        Err(fault) => {
            return Reading {
                method: None,
                call: Err(fault),
            };
        }
    };
    Reading {
        method: Some(method),
        call: Call::read(method, &arguments),
    }
}

fn take_apart(body: &[u8]) -> Result<(Method, Arguments<'_>), Fault> {
    if body.trim_ascii() == b"null" {
        return Err(nameless());
    }
    let mut elements: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        Fault::invalid("Malformed JSON request")
            .with_details(&json!({ "error": unread(body, &error) }))
    })?;
    if elements.is_empty() {
        return Err(nameless());
    }
    let name = Value::of(elements.remove(0))
        .text("the method")
        .map_err(|_| Fault::invalid("Method name must be a string"))?;
    let method = Method::named(&name).ok_or_else(|| {
        let message = format!("Unknown method: {name}");
        Fault::new(StatusCode::NOT_FOUND, "METHOD_NOT_FOUND", message)
    })?;
    Ok((method, Arguments::new(elements)))
}

fn nameless() -> Fault {
    Fault::invalid("Missing method name")
}

/// Why a body is no array; bytes that are no text are told with the place where they stand.
fn unread(body: &[u8], error: &serde_json::Error) -> String {
    let Err(not_text) = std::str::from_utf8(body) else {
        return error.to_string();
    };
    let at = not_text.valid_up_to();
    // The same with something harmless in place of what is no ASCII shows which argument it was in.
    let harmless: Vec<u8> = body
        .iter()
        .map(|byte| if byte.is_ascii() { *byte } else { b'?' })
        .collect();
    let place = place(&harmless, at).unwrap_or_default();
    format!("invalid UTF-8 at byte {at}{place}: send text in UTF-8")
}

/// In which argument, and which member of it, a byte of a body stands.
fn place(body: &[u8], at: usize) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let begin = text.as_ptr() as usize;
    let holds = |raw: &RawValue| {
        let start = raw.get().as_ptr() as usize - begin;
        (start..start + raw.get().len()).contains(&at)
    };
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let (index, argument) = elements.iter().enumerate().find(|(_, raw)| holds(raw))?;
    let member = Value::of(argument)
        .members("it")
        .ok()
        .and_then(|members| members.name_of(holds).map(str::to_owned));
    Some(match member {
        Some(member) => format!(" (in {member} of argument {index})"),
        None => format!(" (in argument {index})"),
    })
}

impl Call {
    fn read(method: Method, arguments: &Arguments<'_>) -> Result<Self, Fault> {
        let id = || arguments.name(0, "the namespace id");
        Ok(match method {
            Method::SysVersion => Self::SysVersion,
            Method::SysHealth => Self::SysHealth,
            Method::StreamWrite => Self::StreamWrite(Write::read(arguments)?),
            Method::StreamGet => Self::StreamGet(reading::stream(arguments)?),
            Method::StreamLast => {
                let (stream, kind) = reading::last(arguments)?;
                Self::StreamLast(stream, kind)
            }
            Method::StreamVersion => Self::StreamVersion(arguments.name(0, "the stream name")?),
            Method::CategoryGet => Self::CategoryGet(reading::category(arguments)?),
            Method::NsCreate => Self::NsCreate(namespace(id()?, arguments)?),
            Method::NsDelete => Self::NsDelete(id()?),
            Method::NsList => Self::NsList,
            Method::NsInfo => Self::NsInfo(id()?),
            Method::NsStreams => Self::NsStreams(reading::streams(arguments)?),
            Method::NsCategories => Self::NsCategories,
        })
    }
}

/// What is to be made. Metadata are looked at and not kept, as the contract has it.
fn namespace(id: String, arguments: &Arguments<'_>) -> Result<NewNamespace, Fault> {
    let options = arguments.options(1)?;
    if let Some(metadata) = options.get("metadata") {
        metadata.document("metadata")?;
    }
    let token = options.text("token")?;
    let token = token
        .map(|text| Token::parse(&text))
        .transpose()
        .map_err(|error| Fault::invalid(format!("token cannot be used: {error}")))?;
    if token.as_ref().is_some_and(|token| token.namespace() != id) {
        return Err(Fault::invalid("token names another namespace"));
    }
    Ok(NewNamespace {
        id,
        description: options.text("description")?.unwrap_or_default(),
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &[u8]) -> Fault {
        read(body).call.unwrap_err()
    }

    #[test]
    fn what_is_no_call_is_refused_as_clients_know_it() {
        let cases: [(&[u8], u16, &str, &str); 9] = [
            (b"", 400, "INVALID_REQUEST", "Malformed JSON request"),
            (b"{}", 400, "INVALID_REQUEST", "Malformed JSON request"),
            (
                b"[\"sys.version\"",
                400,
                "INVALID_REQUEST",
                "Malformed JSON request",
            ),
            (b"[] []", 400, "INVALID_REQUEST", "Malformed JSON request"),
            (b"[]", 400, "INVALID_REQUEST", "Missing method name"),
            (b" null ", 400, "INVALID_REQUEST", "Missing method name"),
            (
                b"[7]",
                400,
                "INVALID_REQUEST",
                "Method name must be a string",
            ),
            (
                b"[null]",
                400,
                "INVALID_REQUEST",
                "Method name must be a string",
            ),
            (
                b"[\"ns.no\"]",
                404,
                "METHOD_NOT_FOUND",
                "Unknown method: ns.no",
            ),
        ];
        for (body, status, code, message) in cases {
            let fault = fault(body);
            assert_eq!(fault.status().as_u16(), status, "{fault:?}");
            assert_eq!((fault.code(), fault.message()), (code, message));
        }
    }

    #[test]
    fn every_method_is_known_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::named(method.name()), Some(method));
            let body = format!("[\"{}\"]", method.name());
            assert_eq!(read(body.as_bytes()).method, Some(method));
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body: Vec<u8>) {
            let _ = read(&body);
        }

        #[test]
        fn a_call_that_was_damaged_is_read_or_refused(at in 0_usize..140, byte: u8) {
            let mut body = br#"["stream.write","a-1",{"type":"T","data":{"x":[1.5e3,"\ud83d\ude00"]},"metadata":{}},{"id":"018f0000-0000-7000-8000-00000000000a"}]"#.to_vec();
            if let Some(old) = body.get_mut(at) {
                *old = byte;
            }
            let fault = read(&body).call.err();
            proptest::prop_assert!(fault.is_none_or(|fault| fault.status().is_client_error()));
        }
    }

    #[test]
    fn surplus_arguments_are_ignored() {
        assert_eq!(
            read(b"[\"sys.version\", 1, {}]").call.unwrap(),
            Call::SysVersion
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_place() {
        let cases: [(&[u8], &str); 4] = [
            (b"[\"stream.get\", \"a\xff\"]", "in argument 1"),
            (
                b"[\"stream.write\", \"a\", {\"type\":\"T\",\"data\":{\"x\":\"\xc3\"}}]",
                "in data of argument 2",
            ),
            (
                b"[\"stream.write\", \"a\", {\"type\":\"\xed\xa0\x80\",\"data\":{}}]",
                "in type of argument 2",
            ),
            (b"\xff", "byte 0"),
        ];
        for (body, told) in cases {
            let fault = format!("{:?}", fault(body));
            assert!(fault.contains("UTF-8") && fault.contains(told), "{fault}");
        }
    }

    #[test]
    fn a_namespace_is_made_as_it_was_asked() {
        let token = Token::random("n");
        let body = format!(
            r#"["ns.create", "n", {{"description":"D","metadata":{{"a":1}},"token":"{}"}}]"#,
            token.reveal()
        );
        let Call::NsCreate(new) = read(body.as_bytes()).call.unwrap() else {
            panic!("another call");
        };
        let expected = NewNamespace::new("n")
            .with_description("D")
            .with_token(token);
        assert_eq!(new, expected);
        let other = Token::random("other");
        for options in [
            "null".to_owned(),
            r#"{"description":null}"#.to_owned(),
            r#"{"metadata":[]}"#.to_owned(),
            r#"{"token":"nonsense"}"#.to_owned(),
            format!(r#"{{"token":"{}"}}"#, other.reveal()),
        ] {
            let body = format!(r#"["ns.create", "n", {options}]"#);
            let fault = fault(body.as_bytes());
            assert_eq!(fault.code(), "INVALID_REQUEST", "{options}");
            assert!(!format!("{fault:?}").contains(other.reveal()));
        }
    }
}
