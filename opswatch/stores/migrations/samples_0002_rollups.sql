-- 0.2: what is left of values once they are old: one row per series and hour. Yesterday's release does not look at it.

CREATE TABLE rollups (
    series BIGINT NOT NULL,
    at BIGINT NOT NULL,                 -- the hour's beginning: a whole hour of UTC
    least DOUBLE PRECISION NOT NULL,
    most DOUBLE PRECISION NOT NULL,
    mean DOUBLE PRECISION NOT NULL,
    deviation DOUBLE PRECISION NOT NULL, -- standard deviation of the hour's values
    looks BIGINT NOT NULL,
    PRIMARY KEY (series, at)
);

CREATE TABLE rolled_up (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    until BIGINT NOT NULL               -- every hour before it has its rows; values go only behind it
);
