-- 0.3: what is known of heartbeats. A new table only: 0.2 runs on this schema and leaves it alone.

CREATE TABLE beats (
    id TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    left_at BIGINT,                     -- when it left the state: nobody waits for it any more; NULL: it is kept
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX beats_changed ON beats (changed_at_head);
