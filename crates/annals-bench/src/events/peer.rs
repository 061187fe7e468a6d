//! A function of the shape of Message DB's `write_message`: one call a message, a lock of the category that is held
//! until the commit, versions by the highest position, a sequence for places.

use std::{io::Write as _, process::Command, time::Duration};

use crate::{
    bed::{Bed, execute},
    measure::{Clock, Turn},
};

use super::{DATA, STREAMS};

const SCHEMA: &str = r#"
    DROP SCHEMA IF EXISTS peer CASCADE;
    CREATE SCHEMA peer;
    CREATE TABLE peer.messages (
        global_position bigserial NOT NULL,
        "position" bigint NOT NULL,
        "time" timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
        stream_name text NOT NULL,
        "type" text NOT NULL,
        data jsonb,
        metadata jsonb,
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        PRIMARY KEY (global_position)
    );
    CREATE UNIQUE INDEX messages_id ON peer.messages (id);
    CREATE UNIQUE INDEX messages_stream ON peer.messages (stream_name, "position");
    CREATE INDEX messages_category ON peer.messages (split_part(stream_name, '-', 1), global_position,
        split_part(metadata ->> 'correlationStreamName', '-', 1));
    CREATE FUNCTION peer.append(_id uuid, _stream text, _type text, _data jsonb, _metadata jsonb, _expected bigint)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        _version bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(left('x' || md5(split_part(_stream, '-', 1)), 17)::bit(64)::bigint);
        SELECT max("position") INTO _version FROM peer.messages WHERE stream_name = _stream;
        _version := coalesce(_version, -1);
        IF _expected IS NOT NULL AND _expected <> _version THEN
            RAISE EXCEPTION 'wrong version';
        END IF;
        INSERT INTO peer.messages (id, stream_name, "position", "type", data, metadata)
        VALUES (_id, _stream, _version + 1, _type, _data, _metadata);
        RETURN _version + 1;
    END $$;
"#;

/// Makes the peer's table anew.
pub(super) async fn make(bed: &Bed) {
    let mut connection = bed.connect().await;
    execute(&mut connection, SCHEMA.to_owned()).await;
    execute(&mut connection, "CHECKPOINT".to_owned()).await;
}

/// What pgbench did.
pub(super) struct Done {
    pub(super) turn: Turn,
    /// Mean time of one call.
    pub(super) latency: Duration,
}

/// Lets pgbench append for some time with so many clients.
pub(super) async fn append(bed: &Bed, clients: usize, categories: usize, time: Duration) -> Done {
    make(bed).await;
    let mut script = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(
        script,
        "\\set category random(0, {})\n\\set stream random(0, {})\n\
         SELECT peer.append(gen_random_uuid(), 'account' || :category || '-' || :stream, 'Deposited', '{DATA}', NULL, NULL);",
        categories - 1,
        STREAMS - 1,
    )
    .expect("a script");
    let clock = Clock::start();
    let done = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-j", "2", "-f"])
        .arg(script.path())
        .args([
            "-c",
            &clients.to_string(),
            "-T",
            &time.as_secs().to_string(),
        ])
        .arg(&bed.url)
        .output()
        .expect("pgbench, of the package postgresql-contrib");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let said = String::from_utf8_lossy(&done.stdout);
    let number = |label: &str| -> f64 {
        let line = said.lines().find_map(|line| line.strip_prefix(label));
        let word = line.and_then(|rest| rest.split_whitespace().find_map(|word| word.parse().ok()));
        word.unwrap_or_else(|| panic!("{label:?} in {said}"))
    };
    let rows = number("number of transactions actually processed:");
    let rate = number("tps =");
    let turn = clock.stop_children(rows as usize, Duration::from_secs_f64(rows / rate));
    Done {
        turn,
        latency: Duration::from_secs_f64(number("latency average =") / 1_000.0),
    }
}
