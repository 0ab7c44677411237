-- 0.3: who is away, and requests that somebody take a shift. New tables only: 0.2 runs on this schema and leaves them
-- alone.

CREATE TABLE absences (
    id BIGINT PRIMARY KEY,              -- its number, given by the core
    document TEXT NOT NULL,
    left_at BIGINT,                     -- when it left the state; NULL: it is kept
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX absences_changed ON absences (changed_at_head);

CREATE TABLE covers (
    id BIGINT PRIMARY KEY,              -- its number, given by the core
    document TEXT NOT NULL,
    left_at BIGINT,                     -- when it left the state, over; NULL: it is kept
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX covers_changed ON covers (changed_at_head);
