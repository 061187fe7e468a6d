DROP TABLE {bars_changed};
DROP TABLE {bars_1h};
DROP TABLE {bars_15m};
DROP TABLE {bars_5m};
