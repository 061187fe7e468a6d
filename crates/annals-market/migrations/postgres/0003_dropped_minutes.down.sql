-- Forgets what was dropped: where minutes came later, `annals bars refresh` or a program from before would
-- make longer bars of those alone.
DROP TABLE bars_reopened;
DROP TABLE bars_dropped;
