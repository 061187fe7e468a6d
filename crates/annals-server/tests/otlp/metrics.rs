//! Metrics that come in by OTLP go out the same, and bad points are refused by field.

use annals_server::otlp::{Bounds, json, metrics, metrics::MetricPoint, origin::Around};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data,
    number_data_point::Value, summary_data_point::ValueAtQuantile,
};
use proptest::{collection::vec, option, prelude::*};
use prost::Message as _;

use crate::{generate, round_trip::normal};

fn exemplar() -> impl Strategy<Value = Exemplar> {
    let value = prop_oneof![
        Just(None),
        generate::double().prop_map(|value| Some(exemplar::Value::AsDouble(value))),
        any::<i64>().prop_map(|value| Some(exemplar::Value::AsInt(value))),
    ];
    let ids = prop_oneof![
        Just((Vec::new(), Vec::new())),
        any::<([u8; 16], [u8; 8])>().prop_map(|(trace, span)| (trace.to_vec(), span.to_vec())),
    ];
    (generate::attributes(), any::<u64>(), ids, value).prop_map(
        |(filtered_attributes, time_unix_nano, (trace_id, span_id), value)| Exemplar {
            filtered_attributes,
            time_unix_nano,
            span_id,
            trace_id,
            value,
        },
    )
}

/// Start, time and flags.
fn times() -> impl Strategy<Value = (u64, u64, u32)> {
    (0..=i64::MAX as u64, 1..=i64::MAX as u64, any::<u32>())
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    vec(exemplar(), 0..3)
}

fn number() -> impl Strategy<Value = NumberDataPoint> {
    let value = prop_oneof![
        Just(None),
        generate::double().prop_map(|value| Some(Value::AsDouble(value))),
        any::<i64>().prop_map(|value| Some(Value::AsInt(value))),
    ];
    (generate::attributes(), times(), exemplars(), value).prop_map(
        |(attributes, (start_time_unix_nano, time_unix_nano, flags), exemplars, value)| {
            NumberDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                exemplars,
                flags,
                value,
            }
        },
    )
}

/// Sum, smallest and largest.
fn extremes() -> impl Strategy<Value = [Option<f64>; 3]> {
    [
        option::of(generate::double()),
        option::of(generate::double()),
        option::of(generate::double()),
    ]
}

fn histogram() -> impl Strategy<Value = HistogramDataPoint> {
    let buckets = prop_oneof![
        Just((Vec::new(), Vec::new())),
        vec(generate::double(), 0..6).prop_flat_map(|mut bounds| {
            bounds.retain(|bound| !bound.is_nan());
            bounds.sort_by(f64::total_cmp);
            bounds.dedup_by(|a, b| a == b);
            let counts = vec(any::<u64>(), bounds.len() + 1);
            (Just(bounds), counts)
        }),
    ];
    (
        generate::attributes(),
        times(),
        exemplars(),
        buckets,
        extremes(),
        any::<u64>(),
    )
        .prop_map(
            |(
                attributes,
                (start_time_unix_nano, time_unix_nano, flags),
                exemplars,
                buckets,
                [sum, min, max],
                count,
            )| {
                HistogramDataPoint {
                    attributes,
                    start_time_unix_nano,
                    time_unix_nano,
                    count,
                    sum,
                    bucket_counts: buckets.1,
                    explicit_bounds: buckets.0,
                    exemplars,
                    flags,
                    min,
                    max,
                }
            },
        )
}

fn exponential() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let buckets = || {
        let buckets = (i32::MIN..i32::MAX - 9, vec(any::<u64>(), 0..6));
        option::of(buckets.prop_map(|(offset, bucket_counts)| Buckets {
            offset,
            bucket_counts,
        }))
    };
    let threshold = generate::double().prop_filter("a threshold", |threshold| *threshold >= 0.0);
    let own = (any::<(u64, i32, u64)>(), buckets(), buckets(), threshold);
    (
        generate::attributes(),
        times(),
        exemplars(),
        extremes(),
        own,
    )
        .prop_map(
            |(
                attributes,
                (start_time_unix_nano, time_unix_nano, flags),
                exemplars,
                [sum, min, max],
                ((count, scale, zero_count), positive, negative, zero_threshold),
            )| ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                scale,
                zero_count,
                positive,
                negative,
                flags,
                exemplars,
                min,
                max,
                zero_threshold,
            },
        )
}

fn summary() -> impl Strategy<Value = SummaryDataPoint> {
    let quantile = (0.0..=1.0_f64, generate::double())
        .prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    (
        generate::attributes(),
        times(),
        any::<u64>(),
        generate::double(),
        vec(quantile, 0..4),
    )
        .prop_map(
            |(
                attributes,
                (start_time_unix_nano, time_unix_nano, flags),
                count,
                sum,
                quantile_values,
            )| {
                SummaryDataPoint {
                    attributes,
                    start_time_unix_nano,
                    time_unix_nano,
                    count,
                    sum,
                    quantile_values,
                    flags,
                }
            },
        )
}

fn data() -> impl Strategy<Value = Data> {
    let gauge = vec(number(), 1..3).prop_map(|data_points| Data::Gauge(Gauge { data_points }));
    let sum = (vec(number(), 1..3), 0..3, any::<bool>()).prop_map(
        |(data_points, aggregation_temporality, is_monotonic)| {
            Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic,
            })
        },
    );
    let histogram =
        (vec(histogram(), 1..3), 0..3).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram {
                data_points,
                aggregation_temporality,
            })
        });
    let exponential =
        (vec(exponential(), 1..3), 0..3).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points,
                aggregation_temporality,
            })
        });
    let summary =
        vec(summary(), 1..3).prop_map(|data_points| Data::Summary(Summary { data_points }));
    prop_oneof![gauge, sum, histogram, exponential, summary]
}

/// Metrics of different names.
fn some_metrics() -> impl Strategy<Value = Vec<Metric>> {
    let metric = (
        any::<(String, String, String)>(),
        generate::attributes(),
        data(),
    );
    vec(metric, 1..4).prop_map(|drawn| {
        let metrics = drawn.into_iter().enumerate();
        let metrics = metrics.map(|(i, ((name, description, unit), metadata, data))| Metric {
            name: format!("{i}{name}"),
            description,
            unit,
            metadata,
            data: Some(data),
        });
        metrics.collect()
    })
}

fn request(around: Around, metrics: Vec<Metric>) -> Vec<ResourceMetrics> {
    vec![ResourceMetrics {
        resource: around.resource,
        scope_metrics: vec![ScopeMetrics {
            scope: around.scope,
            metrics,
            schema_url: around.scope_schema_url,
        }],
        schema_url: around.resource_schema_url,
    }]
}

fn records(request: Vec<ResourceMetrics>) -> Vec<MetricPoint> {
    let decoded = metrics::from_proto(request, &Bounds::default());
    assert_eq!(decoded.refused, []);
    decoded.records
}

/// The same with attributes in one order, and as bytes, for which NaN equals itself.
fn comparable(mut request: Vec<ResourceMetrics>) -> Vec<Vec<u8>> {
    macro_rules! normal_points {
        ($of:ident) => {
            for point in &mut $of.data_points {
                point.attributes = normal(std::mem::take(&mut point.attributes));
                for exemplar in &mut point.exemplars {
                    let attributes = std::mem::take(&mut exemplar.filtered_attributes);
                    exemplar.filtered_attributes = normal(attributes);
                }
            }
        };
    }
    for of_resource in &mut request {
        if let Some(resource) = &mut of_resource.resource {
            resource.attributes = normal(std::mem::take(&mut resource.attributes));
        }
        // A resource or scope of which nothing is told is as good as none.
        of_resource.resource = of_resource
            .resource
            .take()
            .filter(|resource| *resource != Default::default());
        for of_scope in &mut of_resource.scope_metrics {
            if let Some(scope) = &mut of_scope.scope {
                scope.attributes = normal(std::mem::take(&mut scope.attributes));
            }
            of_scope.scope = of_scope
                .scope
                .take()
                .filter(|scope| *scope != Default::default());
            for metric in &mut of_scope.metrics {
                metric.metadata = normal(std::mem::take(&mut metric.metadata));
                match metric.data.as_mut().unwrap() {
                    Data::Gauge(of) => normal_points!(of),
                    Data::Sum(of) => normal_points!(of),
                    Data::Histogram(of) => normal_points!(of),
                    Data::ExponentialHistogram(of) => normal_points!(of),
                    Data::Summary(of) => {
                        for point in &mut of.data_points {
                            point.attributes = normal(std::mem::take(&mut point.attributes));
                        }
                    }
                }
            }
        }
    }
    request.iter().map(ResourceMetrics::encode_to_vec).collect()
}

fn shown(records: &[MetricPoint]) -> Vec<String> {
    let seen = records
        .first()
        .map(|record| record.metric.last_seen)
        .unwrap_or_default();
    let records = records.iter().map(|record| {
        // An hour may have begun meanwhile.
        let mut metric = (*record.metric).clone();
        metric.last_seen = seen;
        format!("{metric:?} {:?}", record.point)
    });
    records.collect()
}

proptest! {
    #[test]
    fn a_metric_of_any_kind_survives_the_record(
        around in generate::around(),
        drawn in some_metrics(),
    ) {
        // One by one: scopes with NaN in them are never the same, and are not put together again.
        for metric in drawn {
            let given = request(around.clone(), vec![metric]);
            let back = metrics::to_proto(&records(given.clone())).unwrap();
            prop_assert_eq!(comparable(given), comparable(back));
        }
    }

    #[test]
    fn points_survive_otlp_json(around in generate::around(), drawn in some_metrics()) {
        let records = records(request(around, drawn));
        let text = json::metrics::write(&records).unwrap();
        let back = json::metrics::read(&text, &Bounds::default()).unwrap();
        prop_assert_eq!(back.refused, []);
        let mut back = back.records;
        for (back, record) in back.iter_mut().zip(&records) {
            std::sync::Arc::make_mut(&mut back.metric).last_seen = record.metric.last_seen;
        }
        prop_assert_eq!(shown(&back), shown(&records));
    }
}

fn refusals(text: &str) -> Vec<String> {
    let decoded = json::metrics::read(text, &Bounds::default()).unwrap();
    decoded.refused.iter().map(ToString::to_string).collect()
}

fn document(metric: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#)
}

#[test]
fn a_bad_point_harms_only_itself_and_is_told_by_field() {
    let text = document(
        r#"{"name":"took","histogram":{"aggregationTemporality":2,"dataPoints":[
            {"timeUnixNano":"1","count":"3","bucketCounts":["1","2"],"explicitBounds":[1]},
            {"timeUnixNano":"1","count":"-1"},
            {"timeUnixNano":"1","bucketCounts":["1","2","3"],"explicitBounds":[2,1]},
            {"timeUnixNano":"1","bucketCounts":["1"],"explicitBounds":[1]},
            {"count":"1"},
            {"timeUnixNano":"1","count":"18446744073709551615","sum":"NaN"}]}}"#,
    );
    let decoded = json::metrics::read(&text, &Bounds::default()).unwrap();
    assert_eq!(decoded.records.len(), 2);
    assert_eq!(decoded.records[1].point.count, Some(u64::MAX));
    assert_eq!(
        refusals(&text),
        [
            r#"data point 1 (metric "took") refused: count is "-1" where a whole number of 64 bits is due"#,
            r#"data point 2 (metric "took") refused: explicitBounds[1] is not above the bound before it"#,
            r#"data point 3 (metric "took") refused: bucketCounts are not one more than bounds"#,
            r#"data point 4 (metric "took") refused: timeUnixNano is missing"#,
        ]
    );
}

#[test]
fn a_bad_metric_refuses_its_points() {
    for (metric, told) in [
        (
            r#"{"name":"","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"}]}}"#,
            "name is empty",
        ),
        (r#"{"name":"a"}"#, "data is missing"),
        (
            r#"{"name":"a","gauge":{},"sum":{}}"#,
            "has both gauge and sum",
        ),
        (
            r#"{"name":"a","sum":{"aggregationTemporality":7,"dataPoints":[{"timeUnixNano":"1"}]}}"#,
            "aggregationTemporality is 7, which is not an aggregation temporality",
        ),
        (
            r#"{"name":"a","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1","asDouble":1}]}}"#,
            "has both asDouble and asInt",
        ),
        (
            r#"{"name":"a","gauge":{"data_points":[]}}"#,
            "data_points is not a name of OTLP/JSON",
        ),
    ] {
        let refused = refusals(&document(metric));
        assert_eq!(refused.len(), 1, "{metric}: {refused:?}");
        assert!(refused[0].contains(told), "{metric}: {refused:?}");
    }
    let error = json::metrics::read(r#"{"resource_metrics":[]}"#, &Bounds::default()).unwrap_err();
    assert!(error.to_string().contains("resourceMetrics"), "{error}");
}
