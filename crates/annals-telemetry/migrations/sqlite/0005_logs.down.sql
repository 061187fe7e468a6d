DROP TABLE {logs};
