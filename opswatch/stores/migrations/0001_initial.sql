-- 0.1: everything. One text for SQLite and PostgreSQL: instants are microseconds since 1970 UTC, documents are JSON
-- that SQL never looks into, what is filtered by is a column. `changed_at_head` is the head's version that wrote a row.

CREATE TABLE head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,            -- moved by each commit: the compare-and-swap
    position BIGINT NOT NULL,           -- of the last timeline entry
    pruned_at_version BIGINT NOT NULL,  -- who has seen less than this must read everything again
    standing TEXT NOT NULL
);
INSERT INTO head (id, version, position, pruned_at_version, standing) VALUES (1, 0, 0, 0, '{}');

CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    left_at BIGINT,                     -- when it left the state; NULL: it is kept
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX alerts_changed ON alerts (changed_at_head);

CREATE TABLE incidents (
    id BIGINT PRIMARY KEY,              -- its number, given by the core
    status TEXT NOT NULL CHECK (status IN ('triggered', 'acknowledged', 'resolved')),
    priority BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 3),
    service TEXT,
    opened_at BIGINT NOT NULL,
    wake_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    left_at BIGINT,
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX incidents_changed ON incidents (changed_at_head);
CREATE INDEX incidents_kept ON incidents (id) WHERE left_at IS NULL;

CREATE TABLE silences (
    id BIGINT PRIMARY KEY,
    document TEXT NOT NULL,
    left_at BIGINT,
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX silences_changed ON silences (changed_at_head);

CREATE TABLE overrides (
    id BIGINT PRIMARY KEY,
    document TEXT NOT NULL,
    left_at BIGINT,
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX overrides_changed ON overrides (changed_at_head);

CREATE TABLE watches (
    id TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    writer TEXT NOT NULL,               -- the store that saved it: its own memory is fresher, it never reads it back
    left_at BIGINT,
    changed_at_head BIGINT NOT NULL
);
CREATE INDEX watches_changed ON watches (changed_at_head);

-- The outbox: what was promised, in the transaction that made it necessary. A claim is a lease, not a lock.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,                -- promising twice is promising once
    kind TEXT NOT NULL CHECK (kind IN ('page', 'update', 'announce')),
    purpose TEXT NOT NULL CHECK (purpose IN ('real', 'test')),
    rank BIGINT NOT NULL,               -- smaller is sent first: P0 pages, …, test pages, updates, announcements
    incident BIGINT,
    person TEXT,
    channel TEXT NOT NULL,              -- the person's contact, or the channel's id
    address TEXT NOT NULL,              -- whose card it is: `person:ana/slack`, `channel:ops`
    body TEXT NOT NULL,
    promised_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,                 -- claimed until then; still set when a claim ran out without a receipt
    claimed_by TEXT,
    attempts BIGINT NOT NULL,
    unreceipted BIGINT NOT NULL,        -- claims that ran out: each may have rung
    settled_at BIGINT,
    outcome TEXT CHECK (outcome IN ('delivered', 'failed', 'overtaken')),
    detail TEXT NOT NULL,
    ref TEXT,                           -- the vendor's name for it
    CHECK ((settled_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX messages_due ON messages (due_at) WHERE settled_at IS NULL;
CREATE INDEX messages_incident ON messages (incident, promised_at);
CREATE INDEX messages_promised ON messages (promised_at);
CREATE INDEX messages_settled ON messages (settled_at) WHERE settled_at IS NOT NULL;

-- One card per incident and address, edited as the incident changes.
CREATE TABLE cards (
    incident BIGINT NOT NULL,
    address TEXT NOT NULL,
    ref TEXT NOT NULL,
    posted_at BIGINT NOT NULL,
    PRIMARY KEY (incident, address)
);

CREATE TABLE timeline (
    position BIGINT PRIMARY KEY,        -- from the head: dense and total
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    incident BIGINT,
    by_whom TEXT,
    facts TEXT NOT NULL
);
CREATE INDEX timeline_at ON timeline (at);
CREATE INDEX timeline_incident ON timeline (incident, position) WHERE incident IS NOT NULL;

CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    facts TEXT NOT NULL
);

CREATE TABLE leases (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    held_until BIGINT NOT NULL
);
