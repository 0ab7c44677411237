-- Upkeep: what is forgotten, what is counted, what is handed out. Asked hourly or by hand, in bounded batches, so that
-- nobody waits for it. For both databases, like queries.sql.

-- ---------------------------------------------------------------------------------------------------------------
-- The beginning of the timeline, folded into a checkpoint

-- timeline_first: where it begins
SELECT position, at, kind, incident, by_whom, facts FROM timeline ORDER BY position LIMIT 1

-- fold_before: entries that the checkpoint stands for
DELETE FROM timeline WHERE position < :position

-- fold_at: the checkpoint itself, in the place of the last of them: positions stay dense
UPDATE timeline SET kind = 'checkpoint', incident = NULL, by_whom = NULL, facts = :facts WHERE position = :position

-- ---------------------------------------------------------------------------------------------------------------
-- Evidence

-- evidence_between: entries that hold some, in [start, end)
SELECT position, facts FROM timeline
WHERE at >= :start AND at < :end AND +position > :after AND facts LIKE '%"evidence"%' ORDER BY position LIMIT :limit

-- evidence_forget: the same facts without it
UPDATE timeline SET facts = :facts WHERE position = :position

-- ---------------------------------------------------------------------------------------------------------------
-- Long over

-- prune_incidents: left the state longer ago than the timeline is kept
DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_overrides: likewise
DELETE FROM overrides WHERE id IN (SELECT id FROM overrides WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_absences: likewise
DELETE FROM absences WHERE id IN (SELECT id FROM absences WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_covers: likewise
DELETE FROM covers WHERE id IN (SELECT id FROM covers WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_beats: nobody waited for it any more
DELETE FROM beats WHERE id IN (SELECT id FROM beats WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_nodes: not seen for long: a container's name comes once
DELETE FROM nodes WHERE seen_at < :before

-- ---------------------------------------------------------------------------------------------------------------
-- Counting

-- timeline_ends: how far back it goes, and how much came lately
SELECT COUNT(*) AS entries, COALESCE(MIN(at), 0) AS first_at, COALESCE(MAX(at), 0) AS last_at,
    SUM(CASE WHEN at >= :since THEN 1 ELSE 0 END) AS lately
FROM timeline

-- samples_lately: values since
SELECT COUNT(*) AS lately FROM samples WHERE at >= :since

-- samples_first: the oldest value
SELECT MIN(at) AS first_at FROM samples

-- incidents_unresolved: how many are open
SELECT COUNT(*) AS unresolved FROM incidents WHERE status <> 'resolved' AND left_at IS NULL

-- timeline_newer: entries behind a position
SELECT COUNT(*) AS entries, COUNT(DISTINCT incident) AS incidents FROM timeline WHERE position > :position

-- ---------------------------------------------------------------------------------------------------------------
-- Handing out

-- incidents_between: opened before the end, oldest first
SELECT id, document FROM incidents WHERE id > :after AND opened_at < :end ORDER BY id LIMIT :limit

-- messages_between: promised in [start, end); `after` is the last one handed out before
SELECT id, kind, purpose, incident, person, channel, promised_at, due_at, attempts, settled_at, outcome, detail
FROM messages
WHERE promised_at >= :start AND promised_at < :end
    AND (promised_at > :after_at OR (promised_at = :after_at AND id > :after))
ORDER BY promised_at, id LIMIT :limit
