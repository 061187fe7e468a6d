DROP TABLE metric_data_points;
DROP TABLE metrics;
