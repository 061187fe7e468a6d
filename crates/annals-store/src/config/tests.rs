use super::*;

fn config(environment: &[(&str, &str)]) -> Result<DatabaseConfig, ConfigError> {
    let lookup = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    DatabaseConfig::from_sources(&Sources::empty().with_environment(lookup))
}

fn postgres(environment: &[(&str, &str)]) -> sqlx::postgres::PgConnectOptions {
    match config(environment).unwrap().target {
        Target::Postgres(options) => *options,
        Target::Sqlite(target) => panic!("{target:?}"),
    }
}

#[test]
fn nothing_set_means_sqlite_in_the_working_directory() {
    let config = config(&[]).unwrap();
    assert!(
        matches!(config.target, Target::Sqlite(SqliteTarget::File(path)) if path == Path::new("annals.db"))
    );
    assert_eq!(config.pool.max_connections.get(), 20);
    assert_eq!(config.pool.max_lifetime, Duration::from_secs(1_800));
}

#[test]
fn any_part_of_an_address_means_postgresql_and_the_rest_has_defaults() {
    let options = postgres(&[("DB_NAME", "infertrace"), ("DB_PASSWORD", "p@ss/w#rd")]);
    assert_eq!(options.get_host(), "localhost");
    assert_eq!(options.get_database(), Some("infertrace"));
    assert_eq!(options.get_application_name(), Some("annals"));
}

#[test]
fn a_url_wins_over_parts_and_keeps_what_it_says_of_tls() {
    let url = "postgres://ann:p%40ss%2Fw%23rd@db.example:6543/spans?sslmode=verify-full";
    let options = postgres(&[
        ("DATABASE_URL", url),
        ("DB_HOST", "elsewhere"),
        ("DB_SSL_MODE", "disable"),
    ]);
    assert_eq!(
        (options.get_host(), options.get_port()),
        ("db.example", 6543)
    );
    assert!(matches!(
        options.get_ssl_mode(),
        sqlx::postgres::PgSslMode::VerifyFull
    ));
}

#[test]
fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let sources = Sources::empty()
        .with_file(
            "annals.toml",
            "db_max_connections = 3\ndb_min_connections = 2\ndb_schema = \"a\"",
        )
        .unwrap()
        .with_environment(|name| match name {
            "DB_MAX_CONNECTIONS" => Some("4".into()),
            "DB_MIN_CONNECTIONS" => Some("1".into()),
            _ => None,
        })
        .with_flag("DB_MAX_CONNECTIONS", "5");
    let config = DatabaseConfig::from_sources(&sources).unwrap();
    assert_eq!(config.pool.max_connections.get(), 5);
    assert_eq!(config.pool.min_connections, 1);
    assert_eq!(config.schema, "a");
}

#[test]
fn the_names_of_predecessors_are_understood() {
    assert_eq!(
        config(&[("DB_POOL_MAX_CONNECTIONS", "50")])
            .unwrap()
            .pool
            .max_connections
            .get(),
        50
    );
}

#[test]
fn what_eventodb_is_told_wins_over_what_others_are() {
    let url = ("EVENTODB_DB_URL", "sqlite:events.db");
    let file = |environment: &[(&str, &str)]| match config(environment).unwrap().target {
        Target::Sqlite(SqliteTarget::File(path)) => path,
        other => panic!("{other:?}"),
    };
    let others = [("DATABASE_URL", "postgres://db/x"), ("DB_HOST", "db")];
    assert_eq!(
        file(&[&[url][..], &others].concat()),
        Path::new("events.db")
    );
    let types = [("EVENTODB_DB_TYPE", "timescale"), ("DB_TYPE", "sqlite")];
    assert_eq!(
        config(&types).unwrap().database_type,
        DatabaseType::Timescale
    );
    let directory = ("EVENTODB_DATA_DIR", "/var/lib/events");
    for (url, expected) in [
        ("sqlite://", "/var/lib/events/annals.db"),
        ("sqlite://a.db", "/var/lib/events/a.db"),
        ("sqlite:a/b.db", "/var/lib/events/a/b.db"),
        ("sqlite:///srv/a.db", "/srv/a.db"),
    ] {
        let found = file(&[directory, ("EVENTODB_DB_URL", url)]);
        assert_eq!(found, Path::new(expected), "{url}");
    }
    assert_eq!(file(&[directory]), Path::new("/var/lib/events/annals.db"));
    let message = config(&[("EVENTODB_DB_URL", "pebble://memory")])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("EVENTODB_DB_URL") && message.contains("Pebble"),
        "{message}"
    );
}

#[test]
fn a_bad_value_is_refused_by_name_and_origin() {
    for (name, value) in [
        ("DB_MAX_CONNECTIONS", "0"),
        ("DB_MAX_CONNECTIONS", "many"),
        ("DB_CONN_MAX_LIFETIME", "5 fortnights"),
        ("DB_TYPE", "oracle"),
        ("DB_SCHEMA", "a\"; drop"),
    ] {
        let message = config(&[(name, value)]).unwrap_err().to_string();
        assert!(
            message.contains(name) && message.contains("environment variable"),
            "{message}"
        );
    }
    let message = config(&[("DB_HOST", "db"), ("DB_SSL_MODE", "maybe")])
        .unwrap_err()
        .to_string();
    assert!(message.contains("verify-full"), "{message}");
    let message = config(&[("DB_PORT", "70000")]).unwrap_err().to_string();
    assert!(message.contains("DB_PORT"), "{message}");
}

#[test]
fn no_message_shows_a_password() {
    for url in ["postgres://ann:secret@[bad/x", "mysql://ann:secret@db/x"] {
        let message = config(&[("DATABASE_URL", url)]).unwrap_err().to_string();
        assert!(!message.contains("secret"), "{message}");
    }
    let config = config(&[("DATABASE_URL", "postgres://ann:secret@db/x")]).unwrap();
    assert!(!format!("{config:?} {}", config.target).contains("secret"));
}

#[test]
fn a_misspelt_setting_in_the_file_is_refused_with_the_nearest_one() {
    let error = Sources::empty()
        .with_file("annals.toml", "db_max_connection = 3")
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("db_max_connection") && message.contains("DB_MAX_CONNECTIONS"),
        "{message}"
    );
}
