-- See PostgreSQL's for what is what. Times are microseconds since 1970 here too. SQLite has no hash of texts, so rows of
-- spans whose id is not hexadecimal of 8 bytes, and of events that were given no id, have ids here that are no UUIDs.
CREATE VIEW {trace_spans} (
    id, trace_id, span_id, parent_span_id, name, kind, service_name, start_time, end_time, duration_us, status,
    status_message, attributes, events, links, created_at
) AS
SELECT
    substr(t.id, 1, 18) || '-' || CASE
        WHEN length(s.span_id) = 16 AND s.span_id NOT GLOB '*[^0-9a-f]*'
            THEN substr(s.span_id, 1, 4) || '-' || substr(s.span_id, 5)
        ELSE lower(hex(s.span_id))
    END,
    t.id, s.span_id, s.parent_span_id, s.operation_name, s.kind, s.service_name, s.start_time,
    s.start_time + max(s.duration_nanos, 0) / 1000, s.duration_nanos / 1000, s.status_code, s.status_message,
    coalesce(s.tags, '{}'), s.events, s.links, t.created_at
FROM {traces} t
JOIN {spans} s ON s.trace_id = t.trace_id AND s.start_time >= t.start_time
    AND s.start_time <= coalesce(t.end_time, 9223372036854775807);

CREATE VIEW {trace_events} (
    id, span_id, name, timestamp, attributes, created_at, timestamp_nanos, trace_id
) AS
SELECT
    coalesce(e.value ->> '$.id', s.id || '/' || (e.key + 1)),
    s.id, coalesce(e.value ->> '$.name', ''),
    coalesce(CAST(e.value ->> '$.time_unix_nano' AS INTEGER) / 1000, s.start_time),
    coalesce(e.value -> '$.attributes', '{}'), s.created_at,
    coalesce(CAST(e.value ->> '$.time_unix_nano' AS INTEGER) % 1000, 0),
    s.trace_id
FROM {trace_spans} s
JOIN json_each(CASE json_type(s.events) WHEN 'array' THEN s.events ELSE '[]' END) e
WHERE e.type = 'object';

CREATE TRIGGER {trace_spans_insert} INSTEAD OF INSERT ON {trace_spans}
BEGIN
    SELECT RAISE(ABORT, 'trace_spans.trace_id is no traces.id: insert the trace first')
    WHERE NOT EXISTS (SELECT 1 FROM {traces} WHERE id = NEW.trace_id);
    SELECT RAISE(ABORT, 'trace_spans.span_id is missing') WHERE coalesce(NEW.span_id, '') = '';
    SELECT RAISE(ABORT, 'trace_spans.name is missing') WHERE NEW.name IS NULL;
    SELECT RAISE(ABORT, 'trace_spans.service_name is missing') WHERE NEW.service_name IS NULL;
    SELECT RAISE(ABORT, 'trace_spans.start_time is missing, or not in microseconds since 1970')
    WHERE typeof(NEW.start_time) <> 'integer';
    SELECT RAISE(ABORT, 'trace_spans.kind must be unspecified, internal, server, client, producer or consumer')
    WHERE replace(lower(coalesce(NEW.kind, 'unspecified')), 'span_kind_', '')
        NOT IN ('unspecified', 'internal', 'server', 'client', 'producer', 'consumer');
    SELECT RAISE(ABORT, 'trace_spans.status must be unset, ok or error')
    WHERE replace(lower(coalesce(NEW.status, 'unset')), 'status_code_', '') NOT IN ('unset', 'ok', 'error');
    SELECT RAISE(ABORT, 'a span ends before it begins: trace_spans.end_time, or duration_us')
    WHERE coalesce(NEW.end_time - NEW.start_time, NEW.duration_us, 0) < 0;
    SELECT RAISE(ABORT, 'trace_spans.attributes is no JSON object')
    WHERE NEW.attributes IS NOT NULL AND (NOT json_valid(NEW.attributes) OR json_type(NEW.attributes) <> 'object');
    SELECT RAISE(ABORT, 'trace_spans.events is no JSON array')
    WHERE NEW.events IS NOT NULL AND (NOT json_valid(NEW.events) OR json_type(NEW.events) <> 'array');
    SELECT RAISE(ABORT, 'trace_spans.links is no JSON array')
    WHERE NEW.links IS NOT NULL AND (NOT json_valid(NEW.links) OR json_type(NEW.links) <> 'array');
    -- Before the span is there, which tells whether it is new.
    UPDATE {traces} SET
        service_name = CASE
            WHEN root_span_name IS NOT NULL THEN service_name
            WHEN NEW.parent_span_id IS NULL OR NEW.start_time < start_time THEN NEW.service_name
            ELSE service_name
        END,
        start_time = min(start_time, NEW.start_time),
        start_time_nanos = CASE WHEN NEW.start_time <= start_time THEN 0 ELSE start_time_nanos END,
        end_time = max(coalesce(end_time, NEW.start_time),
            NEW.start_time + coalesce(NEW.end_time - NEW.start_time, NEW.duration_us, 0)),
        end_time_nanos = CASE
            WHEN NEW.start_time + coalesce(NEW.end_time - NEW.start_time, NEW.duration_us, 0) <= end_time
                THEN end_time_nanos
            ELSE 0
        END,
        duration_us = max(coalesce(end_time, NEW.start_time),
            NEW.start_time + coalesce(NEW.end_time - NEW.start_time, NEW.duration_us, 0)) - min(start_time, NEW.start_time),
        status = CASE
            WHEN 'error' IN (status, replace(lower(coalesce(NEW.status, 'unset')), 'status_code_', '')) THEN 'error'
            WHEN 'ok' IN (status, replace(lower(coalesce(NEW.status, 'unset')), 'status_code_', '')) THEN 'ok'
            ELSE status
        END,
        status_message = coalesce(status_message, CASE
            WHEN replace(lower(NEW.status), 'status_code_', '') = 'error' THEN NEW.status_message
        END),
        root_span_name = coalesce(root_span_name, CASE WHEN NEW.parent_span_id IS NULL THEN NEW.name END),
        span_count = span_count + 1,
        error_count = error_count + coalesce(replace(lower(NEW.status), 'status_code_', '') = 'error', 0),
        updated_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    WHERE id = NEW.trace_id AND NOT EXISTS (
        SELECT 1 FROM {spans} s
        WHERE s.trace_id = (SELECT t.trace_id FROM {traces} t WHERE t.id = NEW.trace_id)
            AND s.span_id = NEW.span_id AND s.start_time = NEW.start_time
    );
    INSERT INTO {spans} (
        trace_id, span_id, parent_span_id, service_name, operation_name, start_time, duration_nanos, tags, kind,
        status_code, status_message, events, links
    )
    SELECT
        t.trace_id, NEW.span_id, NEW.parent_span_id, NEW.service_name, NEW.name, NEW.start_time,
        coalesce(NEW.end_time - NEW.start_time, NEW.duration_us, 0) * 1000, NEW.attributes,
        replace(lower(coalesce(NEW.kind, 'unspecified')), 'span_kind_', ''),
        replace(lower(coalesce(NEW.status, 'unset')), 'status_code_', ''), NEW.status_message, NEW.events, NEW.links
    FROM {traces} t
    WHERE t.id = NEW.trace_id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER {trace_events_insert} INSTEAD OF INSERT ON {trace_events}
BEGIN
    SELECT RAISE(ABORT, 'trace_events.span_id is no trace_spans.id')
    WHERE NOT EXISTS (
        SELECT 1 FROM {trace_spans} s
        WHERE s.trace_id >= substr(NEW.span_id, 1, 18) AND s.trace_id < substr(NEW.span_id, 1, 18) || '~'
            AND s.id = NEW.span_id
    );
    SELECT RAISE(ABORT, 'trace_events.name is missing') WHERE NEW.name IS NULL;
    SELECT RAISE(ABORT, 'trace_events.timestamp is missing, or not in microseconds since 1970')
    WHERE typeof(NEW.timestamp) <> 'integer' OR NEW.timestamp < 0;
    SELECT RAISE(ABORT, 'trace_events.attributes is no JSON object')
    WHERE NEW.attributes IS NOT NULL AND (NOT json_valid(NEW.attributes) OR json_type(NEW.attributes) <> 'object');
    UPDATE {spans} SET events = json_insert(coalesce(events, '[]'), '$[#]', json_patch(
        json_object(
            'name', NEW.name,
            'attributes', json(coalesce(NEW.attributes, '{}')),
            'time_unix_nano', CAST(NEW.timestamp * 1000 + coalesce(NEW.timestamp_nanos, 0) AS TEXT),
            'dropped_attributes_count', 0
        ),
        -- Nothing is added where there is no id.
        json_object('id', NEW.id)
    ))
    WHERE (trace_id, span_id, start_time) = (
        SELECT t.trace_id, s.span_id, s.start_time
        FROM {trace_spans} s
        JOIN {traces} t ON t.id = s.trace_id
        WHERE s.trace_id >= substr(NEW.span_id, 1, 18) AND s.trace_id < substr(NEW.span_id, 1, 18) || '~'
            AND s.id = NEW.span_id
        ORDER BY s.start_time
        LIMIT 1
    )
    AND NOT EXISTS (
        SELECT 1 FROM json_each(CASE json_type(events) WHEN 'array' THEN events ELSE '[]' END) e
        WHERE CASE
            WHEN NEW.id IS NOT NULL THEN e.value ->> '$.id' = NEW.id
            ELSE e.value ->> '$.name' = NEW.name
                AND CAST(e.value ->> '$.time_unix_nano' AS INTEGER) = NEW.timestamp * 1000 + coalesce(NEW.timestamp_nanos, 0)
                AND e.value -> '$.attributes' = json(coalesce(NEW.attributes, '{}'))
        END
    );
    -- Whoever remembers the trace knows by this that it is another one.
    UPDATE {traces} SET updated_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    WHERE id >= substr(NEW.span_id, 1, 18) AND id < substr(NEW.span_id, 1, 18) || '~';
END;
