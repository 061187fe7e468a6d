use super::*;

fn config(environment: &[(&str, &str)]) -> Result<ServerConfig, ConfigError> {
    let lookup = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let tables = [SETTINGS, annals_market::config::SETTINGS];
    ServerConfig::from_sources(&Sources::of(&tables).with_environment(lookup))
}

#[test]
fn every_default_is_valid_and_every_address_is_loopback() {
    let Addresses {
        http,
        otlp_grpc,
        otlp_http,
    } = config(&[]).unwrap().addresses;
    for address in [http, otlp_grpc, otlp_http] {
        assert!(address.unwrap().ip().is_loopback());
    }
}

#[test]
fn zero_and_nonsense_are_refused_by_name() {
    for (name, value) in [
        ("HTTP_ADDR", "8080"),
        ("MAX_REQUEST_BYTES", "0"),
        ("MAX_REQUEST_BYTES", "16 megs"),
        ("INGEST_QUEUE_SIZE", "0"),
        ("MAX_ATTRIBUTE_DEPTH", "31"),
        ("INSECURE", "maybe"),
        ("READ_TIMEOUT", "0s"),
        ("API_TOKEN", "short"),
        ("BARS_DB_CONFLICT", "add"),
        ("BARS_CHECKPOINT_INTERVAL", "0s"),
        ("BARS_ROLLUP_INTERVAL", "0s"),
        ("LIFECYCLE_INTERVAL", "0s"),
        ("LIFECYCLE_INTERVAL", "sometimes"),
        ("TLS_CERT", "/nowhere/at/all.pem"),
        ("EVENTODB_TOKEN", "hunter2"),
        ("EVENTODB_TEST_MODE", "maybe"),
        ("EVENTS_CHUNK_INTERVAL", "off"),
        ("EVENTS_ID_WINDOW", "0s"),
        ("TRACE_TOKEN_SECRET", "secret"),
        ("TRACE_TOKEN_OLD_SECRETS", "0123456789abcdef"),
        ("DEPLOY_WORKSPACES", "sometimes"),
        ("DEPLOY_ATTRIBUTE_PREFIX", "with spaces"),
        ("CACHE_BYTES", "many"),
        ("CACHE_TTL", "0s"),
        ("CACHE_TRACES_AFTER", "later"),
        ("CACHE_LATEST_BARS", "0s"),
        ("REDIS_URL", "http://localhost:6379"),
        ("REDIS_URL", "localhost"),
        ("REDIS_POOL_SIZE", "0"),
        ("REDIS_TIMEOUT", "soon"),
        ("REDIS_READ_TIMEOUT", "0"),
    ] {
        let message = config(&[(name, value)]).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    let message = config(&[("API_TOKEN", "hunter2 hunter2 hunter2")])
        .unwrap_err()
        .to_string();
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn what_is_remembered_is_told_and_no_password_of_redis() {
    let cache = config(&[]).unwrap().cache;
    assert!(cache.options.memory.is_some() && cache.options.redis.is_none());
    for off in ["0", "off"] {
        let cache = config(&[("CACHE_BYTES", off), ("CACHE_TRACES_AFTER", "off")])
            .unwrap()
            .cache;
        assert!(cache.options.memory.is_none() && cache.traces_after.is_none());
    }
    let redis = [
        ("REDIS_URL", "rediss://ann:hunter2@cache.example:6380/1"),
        ("REDIS_POOL_SIZE", "3"),
        ("REDIS_TIMEOUT_SECS", "7"),
    ];
    let config = config(&redis).unwrap();
    let redis = config.cache.options.redis.as_ref().unwrap();
    assert_eq!(redis.connections.get(), 3);
    assert_eq!(redis.timeout, Duration::from_secs(7));
    let shown = format!("{config:?}");
    assert!(shown.contains("cache.example"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let message = super::tests::config(&[("REDIS_URL", "redis:/hunter2@x")]).unwrap_err();
    assert!(
        !format!("{message} {message:?}").contains("hunter2"),
        "{message}"
    );
}

#[test]
fn a_secret_of_trace_tokens_is_never_shown() {
    let secret = "hunter2 and a horse";
    for old in ["hunter2", "hunter2 and a cow 1,hunter2"] {
        let settings = [
            ("TRACE_TOKEN_SECRET", secret),
            ("TRACE_TOKEN_OLD_SECRETS", old),
        ];
        let message = config(&settings).unwrap_err().to_string();
        assert!(message.contains("TRACE_TOKEN_OLD_SECRETS"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let message = config(&[("TRACE_TOKEN_SECRET", "hunter2")]).unwrap_err();
    assert!(!message.to_string().contains("hunter2"), "{message}");
    let old = "hunter2 and a cow 1, hunter2 and a cow 2,";
    let settings = [
        ("TRACE_TOKEN_SECRET", secret),
        ("TRACE_TOKEN_OLD_SECRETS", old),
    ];
    let config = config(&settings).unwrap();
    assert!(config.deployments.tokens.is_some());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_service_can_be_off() {
    assert_eq!(
        config(&[("OTLP_HTTP_ADDR", "off")])
            .unwrap()
            .addresses
            .otlp_http,
        None
    );
}
