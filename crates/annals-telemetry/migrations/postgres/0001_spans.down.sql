DROP TABLE traces;
DROP TABLE spans;
