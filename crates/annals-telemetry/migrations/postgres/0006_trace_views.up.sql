-- The LLM storage crate's tables `trace_spans` and `trace_events`, as views of what is in `spans` and `traces`. They can be
-- inserted into; TRUNCATE, ON CONFLICT and foreign keys to them cannot be, as they are no tables.

-- The id of a span's row in `trace_spans`: the first 8 bytes of its trace's id in `traces`, so that the trace is found by
-- that one's primary key, and then the span's id itself, or a hash of it (UUIDv3 without a namespace's own) where it is not
-- hexadecimal of 8 bytes.
CREATE FUNCTION trace_span_id(trace UUID, span TEXT) RETURNS UUID LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (left(replace(trace::text, '-', ''), 16) || CASE
        WHEN span ~ '^[0-9a-f]{16}$' THEN span
        ELSE overlay(left(md5('\x00000000000000000000000000000000'::bytea || convert_to(span, 'UTF8')), 16) PLACING '3' FROM 13)
    END)::uuid
$$;

-- The id of an event that was given none: UUIDv3 of its place, in the namespace of its span's row.
CREATE FUNCTION trace_event_id(span UUID, place BIGINT) RETURNS UUID LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT overlay(
        overlay(hash PLACING '3' FROM 13)
        PLACING substr('89ab', 1 + (strpos('0123456789abcdef', substr(hash, 17, 1)) - 1) % 4, 1) FROM 17
    )::uuid
    FROM md5(uuid_send(span) || convert_to(place::text, 'UTF8')) AS hash
$$;

-- The trace's times let chunks be left out that do not hold it.
CREATE VIEW trace_spans AS
SELECT
    trace_span_id(t.id, s.span_id) AS id,
    t.id AS trace_id,
    s.span_id,
    s.parent_span_id,
    s.operation_name AS name,
    s.kind,
    s.service_name,
    s.start_time,
    s.start_time + greatest(s.duration_nanos, 0) / 1000 * INTERVAL '1 microsecond' AS end_time,
    s.duration_nanos / 1000 AS duration_us,
    s.status_code AS status,
    s.status_message,
    COALESCE(s.tags, '{}') AS attributes,
    s.events,
    s.links,
    t.created_at
FROM traces t
JOIN spans s ON s.trace_id = t.trace_id AND s.start_time >= t.start_time AND s.start_time <= COALESCE(t.end_time, 'infinity');

CREATE VIEW trace_events AS
SELECT
    CASE
        WHEN e.event ->> 'id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN (e.event ->> 'id')::uuid
        ELSE trace_event_id(trace_span_id(t.id, s.span_id), e.place)
    END AS id,
    trace_span_id(t.id, s.span_id) AS span_id,
    COALESCE(e.event ->> 'name', '') AS name,
    CASE
        WHEN e.event ->> 'time_unix_nano' ~ '^[0-9]{1,19}$'
            THEN TIMESTAMPTZ 'epoch' + div((e.event ->> 'time_unix_nano')::numeric, 1000)::bigint * INTERVAL '1 microsecond'
        ELSE s.start_time
    END AS timestamp,
    COALESCE(e.event -> 'attributes', '{}') AS attributes,
    t.created_at,
    CASE
        WHEN e.event ->> 'time_unix_nano' ~ '^[0-9]{1,19}$' THEN ((e.event ->> 'time_unix_nano')::numeric % 1000)::int
        ELSE s.start_time_nanos
    END AS timestamp_nanos,
    t.id AS trace_id
FROM traces t
JOIN spans s ON s.trace_id = t.trace_id AND s.start_time >= t.start_time AND s.start_time <= COALESCE(t.end_time, 'infinity')
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(s.events) WHEN 'array' THEN s.events ELSE '[]' END
) WITH ORDINALITY AS e (event, place)
WHERE jsonb_typeof(e.event) = 'object';

-- A span that is new is counted in its trace's row, as the program counts those that come to it; one that is there stays.
CREATE FUNCTION trace_spans_insert() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    trace TEXT;
    kind TEXT := replace(lower(COALESCE(NEW.kind, 'unspecified')), 'span_kind_', '');
    code TEXT := replace(lower(COALESCE(NEW.status, 'unset')), 'status_code_', '');
    micros BIGINT := COALESCE(
        round(extract(epoch FROM NEW.end_time - NEW.start_time) * 1000000)::bigint, NEW.duration_us, 0
    );
    ended TIMESTAMPTZ;
BEGIN
    SELECT t.trace_id INTO trace FROM traces t WHERE t.id = NEW.trace_id;
    IF NOT FOUND THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('trace_spans.trace_id %s is no traces.id', COALESCE(NEW.trace_id::text, 'NULL')),
                  HINT = 'Insert the trace first; trace_spans.trace_id is the id of its row and not the trace''s own.';
    END IF;
    IF NEW.span_id IS NULL OR NEW.span_id = '' THEN
        RAISE not_null_violation USING MESSAGE = 'trace_spans.span_id is missing';
    ELSIF NEW.name IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'trace_spans.name is missing';
    ELSIF NEW.service_name IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'trace_spans.service_name is missing';
    ELSIF NEW.start_time IS NULL OR NOT isfinite(NEW.start_time) THEN
        RAISE not_null_violation USING MESSAGE = 'trace_spans.start_time is missing, or infinite';
    ELSIF kind NOT IN ('unspecified', 'internal', 'server', 'client', 'producer', 'consumer') THEN
        RAISE check_violation USING MESSAGE = format(
            'trace_spans.kind is %L, but must be unspecified, internal, server, client, producer or consumer', NEW.kind);
    ELSIF code NOT IN ('unset', 'ok', 'error') THEN
        RAISE check_violation USING MESSAGE = format(
            'trace_spans.status is %L, but must be unset, ok or error', NEW.status);
    ELSIF micros < 0 THEN
        RAISE check_violation USING MESSAGE = 'a span ends before it begins: trace_spans.end_time, or duration_us';
    ELSIF jsonb_typeof(NEW.attributes) <> 'object' THEN
        RAISE check_violation USING MESSAGE = 'trace_spans.attributes is no JSON object';
    ELSIF jsonb_typeof(NEW.events) <> 'array' THEN
        RAISE check_violation USING MESSAGE = 'trace_spans.events is no JSON array';
    ELSIF jsonb_typeof(NEW.links) <> 'array' THEN
        RAISE check_violation USING MESSAGE = 'trace_spans.links is no JSON array';
    END IF;
    INSERT INTO spans (
        trace_id, span_id, parent_span_id, service_name, operation_name, start_time, duration_nanos, tags, kind,
        status_code, status_message, events, links
    ) VALUES (
        trace, NEW.span_id, NEW.parent_span_id, NEW.service_name, NEW.name, NEW.start_time, micros * 1000, NEW.attributes,
        kind, code, NEW.status_message, NEW.events, NEW.links
    ) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        ended := NEW.start_time + micros * INTERVAL '1 microsecond';
        UPDATE traces AS known SET
            service_name = CASE
                WHEN known.root_span_name IS NOT NULL THEN known.service_name
                WHEN NEW.parent_span_id IS NULL OR NEW.start_time < known.start_time THEN NEW.service_name
                ELSE known.service_name
            END,
            start_time = least(known.start_time, NEW.start_time),
            start_time_nanos = CASE WHEN NEW.start_time <= known.start_time THEN 0 ELSE known.start_time_nanos END,
            end_time = greatest(known.end_time, ended),
            end_time_nanos = CASE WHEN ended <= known.end_time THEN known.end_time_nanos ELSE 0 END,
            duration_us = (extract(epoch FROM
                greatest(known.end_time, ended) - least(known.start_time, NEW.start_time)) * 1000000)::bigint,
            status = CASE
                WHEN 'error' IN (known.status, code) THEN 'error'
                WHEN 'ok' IN (known.status, code) THEN 'ok'
                ELSE known.status
            END,
            status_message = COALESCE(known.status_message, CASE code WHEN 'error' THEN NEW.status_message END),
            root_span_name = COALESCE(known.root_span_name, CASE WHEN NEW.parent_span_id IS NULL THEN NEW.name END),
            span_count = known.span_count + 1,
            error_count = known.error_count + CASE code WHEN 'error' THEN 1 ELSE 0 END,
            updated_at = now()
        WHERE known.id = NEW.trace_id;
    END IF;
    NEW.id := trace_span_id(NEW.trace_id, NEW.span_id);
    NEW.kind := kind;
    NEW.status := code;
    NEW.duration_us := micros;
    RETURN NEW;
END
$$;
CREATE TRIGGER trace_spans_insert INSTEAD OF INSERT ON trace_spans FOR EACH ROW EXECUTE FUNCTION trace_spans_insert();

-- An event is appended to its span's, unless one of its id is there. Without an id it is one made of what it says.
CREATE FUNCTION trace_events_insert() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    prefix TEXT := left(replace(NEW.span_id::text, '-', ''), 16);
    target RECORD;
    event JSONB;
BEGIN
    SELECT t.id, s.trace_id, s.span_id, s.start_time INTO target
    FROM traces t
    JOIN spans s ON s.trace_id = t.trace_id AND s.start_time >= t.start_time AND s.start_time <= COALESCE(t.end_time, 'infinity')
    WHERE t.id >= (prefix || repeat('0', 16))::uuid AND t.id <= (prefix || repeat('f', 16))::uuid
        AND trace_span_id(t.id, s.span_id) = NEW.span_id
    ORDER BY s.start_time
    LIMIT 1;
    IF NOT FOUND THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('trace_events.span_id %s is no trace_spans.id', COALESCE(NEW.span_id::text, 'NULL')),
                  HINT = 'trace_spans.id is made of the trace''s and the span''s; INSERT INTO trace_spans … RETURNING id tells it.';
    ELSIF NEW.name IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'trace_events.name is missing';
    ELSIF NEW.timestamp IS NULL OR NEW.timestamp < TIMESTAMPTZ 'epoch' OR NOT isfinite(NEW.timestamp) THEN
        RAISE check_violation USING MESSAGE = 'trace_events.timestamp is missing, infinite or before 1970';
    ELSIF jsonb_typeof(NEW.attributes) <> 'object' THEN
        RAISE check_violation USING MESSAGE = 'trace_events.attributes is no JSON object';
    END IF;
    NEW.attributes := COALESCE(NEW.attributes, '{}');
    NEW.timestamp_nanos := COALESCE(NEW.timestamp_nanos, 0);
    event := jsonb_build_object(
        'time_unix_nano', (extract(epoch FROM NEW.timestamp)::numeric * 1000000000 + NEW.timestamp_nanos)::bigint::text,
        'name', NEW.name,
        'attributes', NEW.attributes,
        'dropped_attributes_count', 0
    );
    NEW.id := COALESCE(NEW.id, md5(NEW.span_id::text || event::text)::uuid);
    NEW.trace_id := target.id;
    event := event || jsonb_build_object('id', NEW.id);
    UPDATE spans SET events = COALESCE(events, '[]') || event
    WHERE trace_id = target.trace_id AND span_id = target.span_id AND start_time = target.start_time
        AND NOT COALESCE(events, '[]') @> jsonb_build_array(jsonb_build_object('id', NEW.id));
    IF FOUND THEN
        -- Whoever remembers the trace knows by this that it is another one.
        UPDATE traces SET updated_at = clock_timestamp() WHERE id = target.id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trace_events_insert INSTEAD OF INSERT ON trace_events FOR EACH ROW EXECUTE FUNCTION trace_events_insert();
