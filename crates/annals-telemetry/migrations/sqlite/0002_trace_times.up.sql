-- Retention lets rows of the directory go when their spans are gone, and finds them by their time.
CREATE INDEX {traces_start_time_idx} ON {traces} (start_time);
