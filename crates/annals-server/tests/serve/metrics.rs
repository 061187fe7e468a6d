//! Metrics by OTLP, and as GET /metrics-data tells of them.

use annals_record::Timestamp;
use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend, on_every_server};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    common::v1::{KeyValue, any_value::Value as Any},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, metric::Data, number_data_point::Value as Number,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::{
    client::{get, post},
    exports::{Packing, attribute},
    grpc::{call_with, frame},
    serving::{self, Served, eventually},
};

on_every_backend!(
    a_metric_comes_by_every_road_and_packing_and_is_there_once,
    points_beyond_the_limits_are_refused_and_the_others_kept,
    summaries_and_what_json_has_no_numbers_for_are_read_back,
    a_counter_is_put_together_over_time,
    questions_are_read_strictly,
);

mod away {
    use super::*;

    on_every_server!(
        clients_are_told_to_come_again_while_the_database_is_away,
        an_answer_of_the_database_that_is_lost_doubles_nothing,
    );
}

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// So many seconds ago, to the minute.
fn ago(seconds: i64) -> u64 {
    let now = Timestamp::now().unix_nanos() / 60_000_000_000 * 60;
    u64::try_from(now - seconds).unwrap() * 1_000_000_000
}

fn point(time_unix_nano: u64, value: Number) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attribute("core", Any::IntValue(0))],
        time_unix_nano,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: "1".to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, Data::Gauge(Gauge { data_points }))
}

fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let service = attribute("service.name", Any::StringValue("shop".to_owned()));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![service],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// Sends by OTLP/HTTP; gives how many points were refused, and why.
async fn export(served: &Served, metrics: Vec<Metric>) -> (i64, String) {
    let headers = [("content-type", "application/x-protobuf")];
    let bytes = request(metrics).encode_to_vec();
    let answer = post(served.otlp, "/v1/metrics", &headers, bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = ExportMetricsServiceResponse::decode(answer.body.clone()).unwrap();
    let partial = answer.partial_success.unwrap_or_default();
    (partial.rejected_data_points, partial.error_message)
}

async fn read(served: &Served, path: &str) -> Value {
    get(served.http, path).await.found()
}

async fn a_metric_comes_by_every_road_and_packing_and_is_there_once(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let time = ago(60);
    let sent = request(vec![gauge(
        "cpu/load.1m",
        vec![point(time, Number::AsInt(i64::MAX))],
    )]);
    let document = json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "scopeMetrics": [{ "metrics": [{ "name": "cpu/load.1m", "unit": "1", "gauge": { "dataPoints": [{
            "attributes": [{ "key": "core", "value": { "intValue": "0" } }],
            "timeUnixNano": time.to_string(), "asInt": i64::MAX.to_string(),
        }] } }] }],
    }] });
    for packing in Packing::ALL {
        let bytes = packing.pack(&sent.encode_to_vec());
        let headers = [("grpc-encoding", packing.name())];
        let frame = frame(packing != Packing::Plain, &bytes);
        let answer = call_with(served.grpc, EXPORT, &headers, frame).await;
        let answer: ExportMetricsServiceResponse = answer.ok();
        assert_eq!(answer.partial_success, None);
        for (media, bytes) in [
            ("application/x-protobuf", sent.encode_to_vec()),
            ("application/json", document.to_string().into_bytes()),
        ] {
            let headers = [
                ("content-type", media),
                ("content-encoding", packing.name()),
            ];
            let answer = post(served.otlp, "/v1/metrics", &headers, packing.pack(&bytes)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    let listed = read(&served, "/metrics-data").await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["name"], "cpu/load.1m");
    assert_eq!(listed[0]["service_name"], "shop");
    let series = read(&served, "/metrics-data/cpu%2Fload.1m").await;
    assert_eq!(series.as_array().unwrap().len(), 1, "{series}");
    assert_eq!(series[0]["attributes"], json!({ "core": 0 }));
    assert_eq!(series[0]["points"].as_array().unwrap().len(), 1, "{series}");
    assert_eq!(series[0]["points"][0]["value"], json!(i64::MAX));
    served.tell(Stop::Drain);
    let report = served.end().await;
    assert_eq!((report.metrics.accepted, report.metrics.committed), (9, 9));
    assert_eq!(report.lost(), 0);
}

async fn points_beyond_the_limits_are_refused_and_the_others_kept(database: TestDatabase) {
    let settings = [("MAX_ATTRIBUTES", "1000"), ("MAX_ATTRIBUTE_DEPTH", "30")];
    let served = serving::on(&database, &settings).await;
    let wide = |width: usize| -> Vec<KeyValue> {
        (0..width)
            .map(|n| attribute(&format!("a{n}"), Any::BoolValue(true)))
            .collect()
    };
    let deep = (0..40).fold(Any::BoolValue(true), |inner, _| {
        let value = opentelemetry_proto::tonic::common::v1::AnyValue { value: Some(inner) };
        Any::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue {
            values: vec![value],
        })
    });
    let with = |attributes| NumberDataPoint {
        attributes,
        ..point(ago(60), Number::AsDouble(1.0))
    };
    let points = vec![
        with(wide(1_000)),
        with(wide(1_001)),
        with(vec![attribute("deep", deep)]),
        point(1, Number::AsInt(1)),
    ];
    let (rejected, told) = export(&served, vec![gauge("cpu", points)]).await;
    assert_eq!(rejected, 3, "{told}");
    for part in [
        "data point 1 (metric \"cpu\") refused: attributes are 1001",
        "data point 2 (metric \"cpu\") refused: attributes[0] is nested deeper than 30 levels",
        "data point 3 (metric \"cpu\") refused: time_unix_nano is 1970-01-01",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let series = read(&served, "/metrics-data/cpu").await;
    assert_eq!(series.as_array().unwrap().len(), 1);
}

async fn summaries_and_what_json_has_no_numbers_for_are_read_back(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let quantile_values = vec![
        ValueAtQuantile {
            quantile: 0.5,
            value: 1.5,
        },
        ValueAtQuantile {
            quantile: 0.99,
            value: f64::NAN,
        },
    ];
    let summary = SummaryDataPoint {
        time_unix_nano: ago(60),
        count: u64::MAX,
        sum: f64::INFINITY,
        quantile_values,
        ..SummaryDataPoint::default()
    };
    let data_points = vec![summary];
    let nothing = NumberDataPoint {
        time_unix_nano: ago(60),
        flags: 1,
        ..NumberDataPoint::default()
    };
    let metrics = vec![
        metric("took", Data::Summary(Summary { data_points })),
        gauge(
            "cpu",
            vec![point(ago(60), Number::AsDouble(f64::NAN)), nothing],
        ),
    ];
    assert_eq!(export(&served, metrics).await.0, 0);
    let took = &read(&served, "/metrics-data/took").await[0]["points"][0];
    assert_eq!(took["count"], json!(u64::MAX));
    assert_eq!(took["sum"], "Infinity");
    assert_eq!(
        took["quantiles"],
        json!([{ "quantile": 0.5, "value": 1.5 }, { "quantile": 0.99, "value": "NaN" }])
    );
    let cpu = read(&served, "/metrics-data/cpu?attribute=core=0&latest=true").await;
    assert_eq!(cpu.as_array().unwrap().len(), 1, "{cpu}");
    assert_eq!(cpu[0]["points"][0]["value"], "NaN");
    let cpu = read(&served, "/metrics-data/cpu").await;
    assert!(cpu.to_string().contains("\"flags\":1"), "{cpu}");
}

async fn a_counter_is_put_together_over_time(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let counted = |seconds: i64, value: i64| NumberDataPoint {
        start_time_unix_nano: ago(86_400),
        ..point(ago(seconds), Number::AsInt(value))
    };
    let sum = Sum {
        data_points: vec![
            counted(600, 10),
            counted(540, 40),
            counted(480, 100),
            counted(420, 30),
        ],
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    export(&served, vec![metric("requests", Data::Sum(sum))]).await;
    let found = read(
        &served,
        "/metrics-data/requests?aggregate=sum&group_by=core",
    )
    .await;
    assert_eq!(found[0]["buckets"][0]["value"], 120.0, "{found}");
    assert_eq!(found[0]["attributes"], json!({ "core": 0 }));
    let answer = get(
        served.http,
        "/metrics-data/requests?aggregate=rate&bucket=1m",
    )
    .await;
    assert!(
        answer.header("annals-window").ends_with("; defaulted"),
        "{answer:?}"
    );
    let found = answer.found();
    let rates: Vec<f64> = found[0]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| bucket["value"].as_f64().unwrap())
        .collect();
    // It began anew before the last.
    assert_eq!(rates, [0.5, 1.0, 0.5]);
}

async fn questions_are_read_strictly(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let data_points = vec![point(ago(60), Number::AsInt(1))];
    let sum = Data::Sum(Sum {
        data_points,
        aggregation_temporality: 2,
        is_monotonic: true,
    });
    let points = vec![point(ago(60), Number::AsInt(2))];
    export(&served, vec![metric("a", sum), gauge("a", points)]).await;
    for (path, status, told) in [
        (
            "/metrics-data/a",
            400,
            "several metrics: a gauge in \"1\", a monotonic sum in \"1\"",
        ),
        (
            "/metrics-data/a?type=gauge&aggregate=rate",
            400,
            "it counts nothing",
        ),
        ("/metrics-data/a?type=gauge&aggregate=mean", 400, "p95"),
        ("/metrics-data/a?type=counter", 400, "exponential_histogram"),
        (
            "/metrics-data/a?latest=true&aggregate=avg",
            400,
            "no meaning together",
        ),
        ("/metrics-data/b", 404, "there is no metric \"b\""),
        ("/metrics-data?typ=gauge", 400, "unknown field"),
        ("/metrics-data/a?type=gauge&cursor=x", 400, "cursor"),
    ] {
        let answer = get(served.http, path).await.refusal(status);
        assert!(answer.contains(told), "{path}: {answer}");
    }
    assert_eq!(
        read(&served, "/metrics-data/a?type=gauge").await[0]["points"][0]["value"],
        2
    );
    assert_eq!(
        read(&served, "/metrics-data/a?monotonic=true").await[0]["points"][0]["value"],
        1
    );
}

async fn clients_are_told_to_come_again_while_the_database_is_away(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &[("INGEST_TIMEOUT", "1s")]).await;
    proxy.refuse();
    proxy.cut();
    let sent = request(vec![gauge("cpu", vec![point(ago(60), Number::AsInt(1))])]);
    let send = async || {
        let headers = [("content-type", "application/x-protobuf")];
        post(served.otlp, "/v1/metrics", &headers, sent.encode_to_vec()).await
    };
    let answer = send().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty());
    proxy.heal();
    eventually("it is taken", async || send().await.status == 200).await;
    let series = read(&served, "/metrics-data/cpu").await;
    assert_eq!(series[0]["points"].as_array().unwrap().len(), 1, "{series}");
}

async fn an_answer_of_the_database_that_is_lost_doubles_nothing(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &[]).await;
    // Of the metric, then of its point.
    proxy.swallow_commit_reply(2);
    export(
        &served,
        vec![gauge("cpu", vec![point(ago(60), Number::AsInt(1))])],
    )
    .await;
    assert_eq!(proxy.replies_swallowed(), 2);
    let series = read(&served, "/metrics-data/cpu").await;
    assert_eq!(series[0]["points"].as_array().unwrap().len(), 1, "{series}");
    assert_eq!(
        database
            .number("SELECT count(*) FROM metric_data_points")
            .await,
        1
    );
}
