-- Retention lets rows of `traces` go when their spans are gone, and finds them by their time. Traces come about
-- in the order of time, so ranges of pages tell apart what is old as well as an entry for each row would, at
-- a thousandth of the size. And it leaves updates cheap: a span that moves a trace's start changes no index from
-- PostgreSQL 16 on, while an entry for each row would make every such update write into every index.
CREATE INDEX traces_start_time_idx ON traces USING brin (start_time)
    WITH (pages_per_range = 32, autosummarize = on);
