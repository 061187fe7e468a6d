DROP TABLE bars_1m;
