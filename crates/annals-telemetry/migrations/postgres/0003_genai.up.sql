-- What GenAI's conventions and their dialects tell beside what there was. Absent for every span that is no
-- call of a model, and an absent value takes no room.
ALTER TABLE spans
    ADD COLUMN user_id            TEXT,
    ADD COLUMN cache_write_tokens BIGINT,
    ADD COLUMN token_convention   TEXT,
    ADD COLUMN finish_reason      TEXT,
    ADD COLUMN response_id        TEXT,
    ADD COLUMN tool_name          TEXT,
    ADD COLUMN agent_name         TEXT,
    ADD COLUMN cost_source        TEXT;

-- Prompts and answers are large, and lz4 packs and unpacks them several times as fast as what PostgreSQL does without
-- being asked, for less than half as much again of their room. Values that are there stay as they are.
DO $$
BEGIN
    IF 'lz4' = ANY (SELECT unnest(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        ALTER TABLE spans
            ALTER COLUMN tags SET COMPRESSION lz4,
            ALTER COLUMN events SET COMPRESSION lz4;
    END IF;
END
$$;

ALTER TABLE traces
    ADD COLUMN user_id         TEXT,
    ADD COLUMN conversation_id TEXT,
    ADD COLUMN error_count     INT NOT NULL DEFAULT 0,
    ADD COLUMN model_calls     INT NOT NULL DEFAULT 0,
    ADD COLUMN unpriced_calls  INT NOT NULL DEFAULT 0,
    ADD COLUMN input_tokens    BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN output_tokens   BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN cost            DOUBLE PRECISION;

-- Listings begin with the newest trace. A row has one entry in each of these for about ten spans that it stands for.
DROP INDEX traces_start_time_idx;
CREATE INDEX traces_start_time_idx ON traces (start_time DESC);
CREATE INDEX traces_trace_id_idx ON traces (trace_id);
CREATE INDEX traces_service_name_start_time_idx ON traces (service_name, start_time DESC);
CREATE INDEX traces_status_start_time_idx ON traces (status, start_time DESC);
CREATE INDEX traces_duration_us_idx ON traces (duration_us);
CREATE INDEX traces_user_id_start_time_idx ON traces (user_id, start_time DESC) WHERE user_id IS NOT NULL;
CREATE INDEX traces_conversation_id_start_time_idx ON traces (conversation_id, start_time DESC) WHERE conversation_id IS NOT NULL;
CREATE INDEX traces_cost_idx ON traces (cost) WHERE cost IS NOT NULL;

-- What models were used for, by hour, and by day for each user and conversation: kept in the transaction of the spans.
-- Costs are billionths of a US dollar, so that sums are exact in whatever order spans come. What is not known is ''.
CREATE TABLE usage_hourly (
    hour                TIMESTAMPTZ NOT NULL,
    service_name        TEXT NOT NULL,
    provider            TEXT NOT NULL,
    model               TEXT NOT NULL,
    calls               BIGINT NOT NULL,
    errors              BIGINT NOT NULL,
    unpriced_calls      BIGINT NOT NULL,
    input_tokens        BIGINT NOT NULL,
    output_tokens       BIGINT NOT NULL,
    cached_tokens       BIGINT NOT NULL,
    cache_write_tokens  BIGINT NOT NULL,
    reasoning_tokens    BIGINT NOT NULL,
    cost_nanos          BIGINT NOT NULL,
    duration_ms         DOUBLE PRECISION NOT NULL,
    duration_ms_squares DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (hour, service_name, provider, model)
) WITH (fillfactor = 70);

-- Tells when a provider's models were asked: spans of a provider are looked for by its models.
CREATE INDEX usage_hourly_provider_model_hour_idx ON usage_hourly (provider, model, hour);

CREATE TABLE usage_daily (
    day                 TIMESTAMPTZ NOT NULL,
    subject             TEXT NOT NULL,
    subject_id          TEXT NOT NULL,
    provider            TEXT NOT NULL,
    model               TEXT NOT NULL,
    calls               BIGINT NOT NULL,
    errors              BIGINT NOT NULL,
    unpriced_calls      BIGINT NOT NULL,
    input_tokens        BIGINT NOT NULL,
    output_tokens       BIGINT NOT NULL,
    cached_tokens       BIGINT NOT NULL,
    cache_write_tokens  BIGINT NOT NULL,
    reasoning_tokens    BIGINT NOT NULL,
    cost_nanos          BIGINT NOT NULL,
    duration_ms         DOUBLE PRECISION NOT NULL,
    duration_ms_squares DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, subject, subject_id, provider, model)
) PARTITION BY LIST (subject);

-- Whoever asks for users reads nothing of conversations.
CREATE TABLE usage_daily_user PARTITION OF usage_daily FOR VALUES IN ('user') WITH (fillfactor = 80);
CREATE TABLE usage_daily_conversation PARTITION OF usage_daily FOR VALUES IN ('conversation') WITH (fillfactor = 80);

-- One row for each day of usage. Whoever changes a day's usage updates its row first, so that changes of one day come
-- one after the other, and a summary that was remembered is known to be of now.
CREATE TABLE usage_days (
    day     TIMESTAMPTZ PRIMARY KEY,
    version BIGINT NOT NULL
) WITH (fillfactor = 50);
