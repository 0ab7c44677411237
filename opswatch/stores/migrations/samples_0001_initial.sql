-- 0.1: history of values, beside the head. With SQLite this is a file of its own; with PostgreSQL two more tables.

CREATE TABLE series (
    id BIGINT PRIMARY KEY,              -- a digest of the rest: every node computes the same, nobody hands out numbers
    check_id TEXT NOT NULL,
    target TEXT NOT NULL,
    item TEXT NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL
);
CREATE INDEX series_of_check ON series (check_id, target);

CREATE TABLE samples (
    series BIGINT NOT NULL,
    at BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (series, at)
);
CREATE INDEX samples_at ON samples (at);
