ALTER TABLE {messages} SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'category',
    timescaledb.compress_orderby = 'stream_name, position'
)
