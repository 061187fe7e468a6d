CREATE FUNCTION {hash_64}(value TEXT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ('x' || left(md5(value), 16))::bit(64)::bigint
$$;

CREATE FUNCTION {category}(stream_name TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT split_part(stream_name, '-', 1)
$$;

CREATE FUNCTION {id}(stream_name TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(stream_name FROM position('-' IN stream_name) + 1) WHERE position('-' IN stream_name) > 0
$$;

CREATE FUNCTION {cardinal_id}(stream_name TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT split_part(substring(stream_name FROM position('-' IN stream_name) + 1), '+', 1)
     WHERE position('-' IN stream_name) > 0
$$;

CREATE FUNCTION {is_category}(stream_name TEXT) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT position('-' IN stream_name) = 0
$$;

-- The position of the last message of a stream, -1 when there never was one.
CREATE FUNCTION {stream_version}(_stream_name TEXT) RETURNS BIGINT
LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT head."position" FROM {stream_heads} AS head WHERE head.stream_name = _stream_name), -1)
$$;

-- Appends one message and gives its position in the stream. The same id again, with the same message, gives
-- the first one's position.
CREATE FUNCTION {write_message}(
    _id VARCHAR,
    _stream_name TEXT,
    _type TEXT,
    _data JSONB,
    _metadata JSONB DEFAULT NULL,
    _expected_version BIGINT DEFAULT NULL
) RETURNS BIGINT
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    _uuid UUID := coalesce(_id::uuid, gen_random_uuid());
    _known RECORD;
    _global BIGINT;
    _at TIMESTAMPTZ;
    _version BIGINT;
BEGIN
    IF coalesce(_stream_name, '') = '' OR coalesce(_type, '') = '' THEN
        RAISE EXCEPTION 'a message needs a stream name and a type' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- The lock first: only what is read in statements after it is true until the commit.
    SELECT counter.global_position + 1, greatest(counter."time", clock_timestamp())
      INTO _global, _at
      FROM {message_counter} AS counter
       FOR UPDATE;

    SELECT message_id."position", message_id.global_position, message_id."time" INTO _known
      FROM {message_ids} AS message_id
     WHERE message_id.id = _uuid;
    IF FOUND THEN
        -- A message that was dropped by age cannot be compared any more.
        PERFORM FROM {messages} AS message
          WHERE message."time" = _known."time" AND message.global_position = _known.global_position
            AND (message.stream_name, message."type", message.data, message.metadata)
                IS DISTINCT FROM (_stream_name, _type, _data, _metadata);
        IF FOUND THEN
            RAISE EXCEPTION 'message id % was used for another message', _uuid USING ERRCODE = 'unique_violation';
        END IF;
        RETURN _known."position";
    END IF;

    _version := {stream_version}(_stream_name);
    IF _expected_version IS NOT NULL AND _expected_version <> _version THEN
        RAISE EXCEPTION 'Wrong expected version: % (Stream: %, Stream Version: %)',
            _expected_version, _stream_name, _version
            USING ERRCODE = 'P0003';
    END IF;

    UPDATE {message_counter} SET global_position = _global, "time" = _at, turn = gen_random_uuid();
    INSERT INTO {messages}
        ("time", global_position, "position", stream_name, "type", data, metadata, id, category)
    VALUES (_at, _global, _version + 1, _stream_name, _type, _data, _metadata, _uuid, split_part(_stream_name, '-', 1));
    INSERT INTO {stream_heads} (stream_name, category, "position", global_position, "time")
    VALUES (_stream_name, split_part(_stream_name, '-', 1), _version + 1, _global, _at)
    ON CONFLICT (stream_name) DO UPDATE
       SET "position" = excluded."position", global_position = excluded.global_position, "time" = excluded."time";
    INSERT INTO {message_ids} (id, "position", global_position, "time") VALUES (_uuid, _version + 1, _global, _at);
    PERFORM pg_notify('annals_events', '{messages}');
    RETURN _version + 1;
END
$$;

-- Fills the category in for whoever inserts into the table without it.
CREATE FUNCTION {fill_category}() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.category := split_part(NEW.stream_name, '-', 1);
    RETURN NEW;
END
$$;
CREATE TRIGGER fill_category BEFORE INSERT ON {messages}
    FOR EACH ROW WHEN (NEW.category IS NULL) EXECUTE FUNCTION {fill_category}();

CREATE FUNCTION {get_stream_messages}(
    _stream_name TEXT,
    _position BIGINT DEFAULT 0,
    _batch_size BIGINT DEFAULT 1000,
    _condition TEXT DEFAULT NULL
) RETURNS TABLE (
    id UUID, stream_name TEXT, "type" TEXT, "position" BIGINT, global_position BIGINT,
    data JSONB, metadata JSONB, "time" TIMESTAMPTZ
)
LANGUAGE sql STABLE AS $$
    SELECT m.id, m.stream_name, m."type", m."position", m.global_position, m.data, m.metadata, m."time"
      FROM {messages} AS m
     WHERE m.stream_name = _stream_name AND m."position" >= _position
     ORDER BY m."position"
     LIMIT CASE WHEN _batch_size >= 0 THEN _batch_size END
$$;

CREATE FUNCTION {get_category_messages}(
    _category_name TEXT,
    _position BIGINT DEFAULT 1,
    _batch_size BIGINT DEFAULT 1000,
    _correlation TEXT DEFAULT NULL,
    _consumer_group_member BIGINT DEFAULT NULL,
    _consumer_group_size BIGINT DEFAULT NULL,
    _condition TEXT DEFAULT NULL
) RETURNS TABLE (
    id UUID, stream_name TEXT, "type" TEXT, "position" BIGINT, global_position BIGINT,
    data JSONB, metadata JSONB, "time" TIMESTAMPTZ
)
LANGUAGE sql STABLE AS $$
    SELECT m.id, m.stream_name, m."type", m."position", m.global_position, m.data, m.metadata, m."time"
      FROM {messages} AS m
     WHERE (_category_name = '' OR m.category = _category_name)
       AND m.global_position >= _position
       AND (_correlation IS NULL OR split_part(m.metadata ->> 'correlationStreamName', '-', 1) = _correlation)
       AND (_consumer_group_size IS NULL
            OR abs({hash_64}({cardinal_id}(m.stream_name))::numeric) % _consumer_group_size = _consumer_group_member)
     ORDER BY m.global_position
     LIMIT CASE WHEN _batch_size >= 0 THEN _batch_size END
$$;

CREATE FUNCTION {get_last_stream_message}(_stream_name TEXT, _type TEXT DEFAULT NULL)
RETURNS TABLE (
    id UUID, stream_name TEXT, "type" TEXT, "position" BIGINT, global_position BIGINT,
    data JSONB, metadata JSONB, "time" TIMESTAMPTZ
)
LANGUAGE sql STABLE AS $$
    SELECT m.id, m.stream_name, m."type", m."position", m.global_position, m.data, m.metadata, m."time"
      FROM {messages} AS m
     WHERE m.stream_name = _stream_name AND (_type IS NULL OR m."type" = _type)
     ORDER BY m."position" DESC
     LIMIT 1
$$;
