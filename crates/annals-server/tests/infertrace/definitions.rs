//! The messages and the files from which clients are made say the same.

use std::{collections::BTreeMap, fmt::Debug};

use annals_server::infertrace::messages::{planned, v1};
use prost::Message;

const PLANNED: &str = include_str!("../../proto/infertrace.proto");
const V1: &str = include_str!("../../proto/infertrace_v1.proto");

/// What Python's protobuf makes of the spans below, with code that protoc made of these files.
const PLANNED_BYTES: &str = "0a560a10000102030405060708090a0b0c0d0e0f12080001020304050607\
    1a08ffffffffffffffff2201732a016f3001380242026f6b4a060a0161120162\
    520a0a016d5005659a99993e5a0c090000000000003640220130";
const V1_BYTES: &str = "0a170a01741201731a016122016f2a016d3001380242026f6b";

/// Name, number and type of each field of each message in a file.
fn definitions(file: &str) -> BTreeMap<String, Vec<(String, u8, String)>> {
    let mut messages: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut current = None;
    for line in file.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix("message ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            current = Some(name.to_owned());
        } else if line == "}" {
            current = None;
        } else if let (Some(message), Some((field, number))) = (
            &current,
            line.strip_suffix(';')
                .and_then(|line| line.split_once(" = ")),
        ) {
            let (kind, name) = field.rsplit_once(' ').unwrap();
            let field = (name.to_owned(), number.parse().unwrap(), kind.to_owned());
            messages.entry(message.clone()).or_default().push(field);
        }
    }
    messages
}

/// A field on the wire, and what `Debug` shows of it when it was understood.
fn sample(kind: &str, number: u8) -> (Vec<u8>, &'static str) {
    let key = |wire_type: u8| (number << 3) | wire_type;
    match kind {
        "bool" => (vec![key(0), 1], "true"),
        "int32" | "int64" => {
            // -7, whose zigzag and unsigned readings are other numbers.
            let mut bytes = vec![key(0), 0xF9];
            bytes.extend([0xFF; 8]);
            bytes.push(1);
            (bytes, "-7")
        }
        "float" => {
            let mut bytes = vec![key(5)];
            bytes.extend(1.5_f32.to_le_bytes());
            (bytes, "1.5")
        }
        "double" => {
            let mut bytes = vec![key(1)];
            bytes.extend(1.5_f64.to_le_bytes());
            (bytes, "1.5")
        }
        "string" => (vec![key(2), 1, b'x'], "\"x\""),
        "bytes" => (vec![key(2), 1, 0xFF], "[255]"),
        "map<string, string>" => {
            let entry = [10, 1, b'k', 18, 1, b'v'];
            let mut bytes = vec![key(2), 6];
            bytes.extend(entry);
            (bytes, r#"{"k": "v"}"#)
        }
        "repeated Span" => (vec![key(2), 0], "[Span {"),
        "Span" => (vec![key(2), 0], "Some(Span {"),
        "InferenceContext" => (vec![key(2), 0], "Some(InferenceContext {"),
        "ResourceMetrics" => (vec![key(2), 0], "Some(ResourceMetrics {"),
        other => unreachable!("no sample of {other}"),
    }
}

/// Sends every field of the definition alone and sees where it arrives.
fn agrees<M: Message + Default + Debug + PartialEq>(
    definitions: &mut BTreeMap<String, Vec<(String, u8, String)>>,
    message: &str,
    fields: usize,
) {
    let defined = definitions.remove(message).unwrap();
    assert_eq!(defined.len(), fields, "{message}");
    for (name, number, kind) in defined {
        let (bytes, shown) = sample(&kind, number);
        let read = M::decode(bytes.as_slice()).unwrap();
        assert!(
            format!("{read:?}").contains(&format!(" {name}: {shown}")),
            "{message}.{name} = {number}: {read:?}"
        );
        assert_eq!(M::decode(read.encode_to_vec().as_slice()).unwrap(), read);
    }
}

#[test]
fn each_field_has_the_files_name_number_and_type() {
    let mut files = definitions(PLANNED);
    agrees::<planned::SendSpanRequest>(&mut files, "SendSpanRequest", 1);
    agrees::<planned::SendSpanBatchRequest>(&mut files, "SendSpanBatchRequest", 1);
    agrees::<planned::SendSpanResponse>(&mut files, "SendSpanResponse", 1);
    agrees::<planned::Span>(&mut files, "Span", 11);
    agrees::<planned::InferenceContext>(&mut files, "InferenceContext", 12);
    agrees::<planned::ResourceMetrics>(&mut files, "ResourceMetrics", 6);
    assert!(files.is_empty(), "{files:?}");

    let mut files = definitions(V1);
    agrees::<v1::SendSpanBatchRequest>(&mut files, "SendSpanBatchRequest", 1);
    agrees::<v1::SendSpanBatchResponse>(&mut files, "SendSpanBatchResponse", 2);
    agrees::<v1::Span>(&mut files, "Span", 8);
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn the_services_have_the_files_names() {
    for (file, service) in [(PLANNED, planned::SERVICE), (V1, v1::SERVICE)] {
        let (package, name) = service.rsplit_once('.').unwrap();
        assert!(file.contains(&format!("package {package};")));
        assert!(file.contains(&format!("service {name} {{")));
    }
}

#[test]
fn what_a_client_made_by_protoc_sends_is_read() {
    let bytes = hex::decode(PLANNED_BYTES).unwrap();
    let request = planned::SendSpanBatchRequest::decode(bytes.as_slice()).unwrap();
    let expected = planned::Span {
        trace_id: (0..16).collect(),
        span_id: (0..8).collect(),
        parent_span_id: vec![0xFF; 8],
        service_name: "s".to_owned(),
        operation_name: "o".to_owned(),
        start_time_unix_nano: 1,
        duration_nanos: 2,
        status: "ok".to_owned(),
        tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        inference: Some(planned::InferenceContext {
            model_name: "m".to_owned(),
            queue_depth: 5,
            batch_fill_ratio: 0.3,
            ..Default::default()
        }),
        resources: Some(planned::ResourceMetrics {
            gpu_utilization_percent: 22.0,
            gpu_device_id: "0".to_owned(),
            ..Default::default()
        }),
    };
    assert_eq!(request.spans, [expected]);
    assert_eq!(request.encode_to_vec(), bytes);

    let bytes = hex::decode(V1_BYTES).unwrap();
    let request = v1::SendSpanBatchRequest::decode(bytes.as_slice()).unwrap();
    let expected = v1::Span {
        trace_id: "t".to_owned(),
        span_id: "s".to_owned(),
        service_name: "a".to_owned(),
        operation_name: "o".to_owned(),
        model_name: "m".to_owned(),
        start_time_unix_nano: 1,
        duration_nanos: 2,
        status: "ok".to_owned(),
    };
    assert_eq!(request.spans, [expected]);
    assert_eq!(request.encode_to_vec(), bytes);
}
