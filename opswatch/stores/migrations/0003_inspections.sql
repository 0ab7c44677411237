-- 0.2: runs of inspections, one row each; only added to, so the release before runs on it. The report is a document that
-- SQL never looks into; what lists and comparisons ask for are columns.

CREATE TABLE inspections (
    id TEXT PRIMARY KEY,                -- the run: `2026-11-17-daily`; whoever writes it first has run it
    inspection TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    due_at BIGINT,                      -- NULL: somebody asked for it
    told_at BIGINT,                     -- when it was a round for everybody; NULL: somebody's own look
    by_whom TEXT,
    facts TEXT NOT NULL,                -- the few numbers a list shows
    document TEXT NOT NULL
);
CREATE INDEX inspections_of ON inspections (inspection, began_at);
CREATE INDEX inspections_began ON inspections (began_at);
