-- 0.3: alerts of others: what was accepted and is not decided yet, and what each source said last. New tables only: 0.2
-- runs on this schema and leaves them alone.

CREATE TABLE inbox (
    id TEXT PRIMARY KEY,                -- when it came, and at which node: in this order they are decided
    source TEXT NOT NULL,
    family TEXT NOT NULL,
    at BIGINT NOT NULL,                 -- received
    alerts BIGINT NOT NULL,             -- how many
    size BIGINT NOT NULL,               -- characters of its body
    claimed_by TEXT,
    lease_until BIGINT                  -- a node decides it until then; NULL: nobody does
);

-- Beside it, so that a claim does not write a hundred kilobytes anew.
CREATE TABLE inbox_bodies (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL                  -- the alerts, as JSON
);

CREATE TABLE postings (
    id TEXT PRIMARY KEY,                -- the alert's key
    document TEXT NOT NULL,
    writer TEXT NOT NULL,               -- the store that saved it: its own memory is fresher, it never reads it back
    left_at BIGINT,
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX postings_changed ON postings (changed_at_head);
