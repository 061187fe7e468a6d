-- Unique keys of a hypertable contain its time, which says nothing about places; `message_ids`, `stream_heads`
-- and the counter's lock keep them unique.
CREATE INDEX messages_stream_position ON {messages} (stream_name, "position");
CREATE INDEX messages_global_position ON {messages} (global_position);
CREATE INDEX messages_category_global ON {messages} (category, global_position);
CREATE INDEX messages_id_time ON {messages} (id, "time");
CREATE INDEX messages_correlation ON {messages} (split_part(metadata ->> 'correlationStreamName', '-', 1), global_position)
    WHERE metadata ->> 'correlationStreamName' IS NOT NULL;
