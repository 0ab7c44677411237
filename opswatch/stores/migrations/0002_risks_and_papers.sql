-- 0.2: the risk ledger, and what incidents owe on paper. New tables only: 0.1 runs on this schema and leaves them alone.

CREATE TABLE risks (
    id BIGINT PRIMARY KEY,              -- its number, given by the core
    document TEXT NOT NULL,
    left_at BIGINT,                     -- when it left the state, closed; NULL: it is kept
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX risks_changed ON risks (changed_at_head);
CREATE INDEX risks_kept ON risks (id) WHERE left_at IS NULL;

CREATE TABLE papers (
    id BIGINT PRIMARY KEY,              -- the number of the incident it is about
    document TEXT NOT NULL,
    left_at BIGINT,                     -- when it left the state, published; NULL: it is kept
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX papers_changed ON papers (changed_at_head);
CREATE INDEX papers_kept ON papers (id) WHERE left_at IS NULL;
