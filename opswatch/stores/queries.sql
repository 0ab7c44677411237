-- Every query, once, for both databases. `-- name: what it is for`, parameters as :like_this.
-- No query reads a clock, and every order ends in a unique column.

-- ---------------------------------------------------------------------------------------------------------------
-- Migrations

-- migrations_table: where applied migrations are recorded
CREATE TABLE IF NOT EXISTS migrations_applied (name TEXT PRIMARY KEY, digest TEXT NOT NULL)

-- migration_claim: record a migration before it runs; whoever is second waits for the first, then finds it recorded
INSERT INTO migrations_applied (name, digest) VALUES (:name, :digest) ON CONFLICT (name) DO NOTHING

-- migrations_applied: what has run
SELECT name, digest FROM migrations_applied ORDER BY name

-- ---------------------------------------------------------------------------------------------------------------
-- The head

-- head: where everything stands
SELECT version, position, pruned_at_version, standing FROM head WHERE id = 1

-- head_version: has anybody moved
SELECT version FROM head WHERE id = 1

-- head_touch: hold the head until this transaction ends; others who want it queue
UPDATE head SET version = version WHERE id = 1

-- head_swap: advance the head if nobody was first; no row back means somebody was
UPDATE head
SET version = version + 1, position = position + :entries, standing = COALESCE(:standing, standing)
WHERE id = 1 AND version = :seen
RETURNING position

-- ---------------------------------------------------------------------------------------------------------------
-- What is so

-- alerts_kept: for a first load
SELECT id, document, left_at FROM alerts WHERE left_at IS NULL ORDER BY id

-- alerts_changed: for every later load
SELECT id, document, left_at FROM alerts WHERE changed_at_head > :seen ORDER BY id

-- alert_save: new or changed
INSERT INTO alerts (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- alert_leave: it is over; the row stays until every node has seen that
UPDATE alerts SET left_at = :now, changed_at_head = :version WHERE id = :id

-- incidents_kept: for a first load
SELECT id, document, left_at FROM incidents WHERE left_at IS NULL ORDER BY id

-- incidents_changed: for every later load
SELECT id, document, left_at FROM incidents WHERE changed_at_head > :seen ORDER BY id

-- incident_save: new or changed
INSERT INTO incidents
    (id, status, priority, service, opened_at, wake_at, document, left_at, changed_at_head)
VALUES (:id, :status, :priority, :service, :opened_at, :wake_at, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET status = excluded.status, priority = excluded.priority, service = excluded.service, opened_at = excluded.opened_at,
    wake_at = excluded.wake_at, document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- incident_leave: the state need not keep it any longer; the row stays for good
UPDATE incidents SET left_at = :now, changed_at_head = :version WHERE id = :id

-- incident: one, however old
SELECT document FROM incidents WHERE id = :id

-- incidents_open: the newest that are not resolved
SELECT document FROM incidents WHERE left_at IS NULL AND status <> 'resolved' ORDER BY id DESC LIMIT :limit

-- incidents_newest: the newest of all
SELECT document FROM incidents ORDER BY id DESC LIMIT :limit

-- silences_kept: for a first load
SELECT id, document, left_at FROM silences WHERE left_at IS NULL ORDER BY id

-- silences_changed: for every later load
SELECT id, document, left_at FROM silences WHERE changed_at_head > :seen ORDER BY id

-- silences_ended: those that ended since, the last one first
SELECT id, document, left_at FROM silences WHERE left_at >= :since ORDER BY left_at DESC, id LIMIT :limit

-- silence_save: new or changed
INSERT INTO silences (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- silence_leave: it has ended
UPDATE silences SET left_at = :now, changed_at_head = :version WHERE id = :id

-- overrides_kept: for a first load
SELECT id, document, left_at FROM overrides WHERE left_at IS NULL ORDER BY id

-- overrides_changed: for every later load
SELECT id, document, left_at FROM overrides WHERE changed_at_head > :seen ORDER BY id

-- override_save: new or changed
INSERT INTO overrides (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- override_leave: it was removed
UPDATE overrides SET left_at = :now, changed_at_head = :version WHERE id = :id

-- absences_kept: for a first load
SELECT id, document, left_at FROM absences WHERE left_at IS NULL ORDER BY id

-- absences_changed: for every later load
SELECT id, document, left_at FROM absences WHERE changed_at_head > :seen ORDER BY id

-- absence_save: new or changed
INSERT INTO absences (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- absence_leave: it was removed, or is long over
UPDATE absences SET left_at = :now, changed_at_head = :version WHERE id = :id

-- covers_kept: for a first load
SELECT id, document, left_at FROM covers WHERE left_at IS NULL ORDER BY id

-- covers_changed: for every later load
SELECT id, document, left_at FROM covers WHERE changed_at_head > :seen ORDER BY id

-- cover_save: new or changed
INSERT INTO covers (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- cover_leave: over a while ago
UPDATE covers SET left_at = :now, changed_at_head = :version WHERE id = :id

-- beats_kept: for a first load
SELECT id, document, left_at FROM beats WHERE left_at IS NULL ORDER BY id

-- beats_changed: for every later load
SELECT id, document, left_at FROM beats WHERE changed_at_head > :seen ORDER BY id

-- beat_save: new or changed
INSERT INTO beats (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- beat_leave: nobody waits for it any more
UPDATE beats SET left_at = :now, changed_at_head = :version WHERE id = :id

-- risks_kept: for a first load
SELECT id, document, left_at FROM risks WHERE left_at IS NULL ORDER BY id

-- risks_changed: for every later load
SELECT id, document, left_at FROM risks WHERE changed_at_head > :seen ORDER BY id

-- risk_save: new or changed
INSERT INTO risks (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- risk_leave: closed a while ago; the row stays for good
UPDATE risks SET left_at = :now, changed_at_head = :version WHERE id = :id

-- risks_newest: the newest of all, closed ones too
SELECT document FROM risks ORDER BY id DESC LIMIT :limit

-- papers_kept: for a first load
SELECT id, document, left_at FROM papers WHERE left_at IS NULL ORDER BY id

-- papers_changed: for every later load
SELECT id, document, left_at FROM papers WHERE changed_at_head > :seen ORDER BY id

-- paper_save: new or changed
INSERT INTO papers (id, document, left_at, changed_at_head) VALUES (:id, :document, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, left_at = NULL, changed_at_head = excluded.changed_at_head

-- paper_leave: published a while ago; the row stays for good
UPDATE papers SET left_at = :now, changed_at_head = :version WHERE id = :id

-- papers_newest: the newest of all, published ones too
SELECT document FROM papers ORDER BY id DESC LIMIT :limit

-- ---------------------------------------------------------------------------------------------------------------
-- What checks remember

-- watches_kept: for a first load
SELECT id, document, left_at FROM watches WHERE left_at IS NULL ORDER BY id

-- watches_changed: for every later load; one's own are fresher in memory
SELECT id, document, left_at FROM watches WHERE changed_at_head > :seen AND writer <> :writer ORDER BY id

-- watch_save: new or changed
INSERT INTO watches (id, document, writer, left_at, changed_at_head) VALUES (:id, :document, :writer, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, writer = excluded.writer, left_at = NULL, changed_at_head = excluded.changed_at_head

-- watch_leave: its check or target is gone
UPDATE watches SET left_at = :now, writer = :writer, changed_at_head = :version WHERE id = :id

-- postings_kept: for a first load
SELECT id, document, left_at FROM postings WHERE left_at IS NULL ORDER BY id

-- postings_changed: for every later load; one's own are fresher in memory
SELECT id, document, left_at FROM postings WHERE changed_at_head > :seen AND writer <> :writer ORDER BY id

-- posting_save: new or changed
INSERT INTO postings (id, document, writer, left_at, changed_at_head) VALUES (:id, :document, :writer, NULL, :version)
ON CONFLICT (id) DO UPDATE
SET document = excluded.document, writer = excluded.writer, left_at = NULL, changed_at_head = excluded.changed_at_head

-- posting_leave: it is over for long
UPDATE postings SET left_at = :now, writer = :writer, changed_at_head = :version WHERE id = :id

-- ---------------------------------------------------------------------------------------------------------------
-- The inbox

-- inbox_put: accepted
INSERT INTO inbox (id, source, family, at, alerts, size, claimed_by, lease_until)
VALUES (:id, :source, :family, :at, :alerts, :size, :node, :lease_until)

-- inbox_put_body: what was accepted
INSERT INTO inbox_bodies (id, body) VALUES (:id, :body)

-- inbox_any: whether claiming is worth the write lock
SELECT id FROM inbox WHERE lease_until IS NULL OR lease_until <= :now ORDER BY id LIMIT 1

-- inbox_claim: the oldest; the conditions stand twice, as for messages
WITH due AS MATERIALIZED (
    SELECT id FROM inbox WHERE lease_until IS NULL OR lease_until <= :now ORDER BY id LIMIT :limit
)
UPDATE inbox SET claimed_by = :node, lease_until = :lease_until
WHERE id IN (SELECT id FROM due) AND (lease_until IS NULL OR lease_until <= :now)
RETURNING id, source, family, at, alerts,
    (SELECT inbox_bodies.body FROM inbox_bodies WHERE inbox_bodies.id = inbox.id) AS body

-- inbox_take: decided, in the same transaction
DELETE FROM inbox WHERE id = :id

-- inbox_take_body: likewise
DELETE FROM inbox_bodies WHERE id = :id

-- inbox_release: a node that comes up again
UPDATE inbox SET lease_until = :now WHERE claimed_by = :node AND lease_until > :now

-- inbox_waiting: how much is not decided
SELECT COUNT(*) AS batches, SUM(alerts) AS alerts, SUM(size) AS size, MIN(at) AS oldest_at FROM inbox

-- ---------------------------------------------------------------------------------------------------------------
-- Promised messages

-- message_promise: promising twice is promising once
INSERT INTO messages
    (id, kind, purpose, rank, incident, person, channel, address, body, promised_at, due_at, attempts, unreceipted, detail)
VALUES
    (:id, :kind, :purpose, :rank, :incident, :person, :channel, :address, :body, :now, :due_at, 0, 0, '')
ON CONFLICT (id) DO NOTHING

-- message_is_due: whether claiming is worth the write lock
SELECT id FROM messages
WHERE settled_at IS NULL AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
ORDER BY due_at, id LIMIT 1

-- message_claim: each by exactly one node; the conditions stand twice because on PostgreSQL another node may have
-- taken a row between the look and the update, and only the outer ones are asked again
WITH due AS MATERIALIZED (
    SELECT id FROM messages
    WHERE settled_at IS NULL AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY rank, due_at, id LIMIT :limit
)
UPDATE messages
SET attempts = attempts + 1, claimed_by = :node, lease_until = :lease_until,
    unreceipted = unreceipted + CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END
WHERE id IN (SELECT id FROM due)
    AND settled_at IS NULL AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
RETURNING id, kind, rank, incident, body, promised_at, due_at, attempts, unreceipted,
    (SELECT cards.ref FROM cards
     WHERE cards.incident = messages.incident AND cards.address = messages.address) AS card

-- message_release: a node that comes up again frees what it had claimed before it died; each may have rung
UPDATE messages SET lease_until = :now WHERE settled_at IS NULL AND claimed_by = :node AND lease_until > :now

-- message_wanted: claimed, by this very claim where it is named, and not overtaken
SELECT id FROM messages
WHERE id = :id AND settled_at IS NULL AND lease_until > :now AND (:attempt = 0 OR attempts = :attempt)

-- message_settle: finished; a receipt for something overtaken in flight is the truth
UPDATE messages
SET settled_at = COALESCE(settled_at, :now), outcome = :outcome, detail = :detail, ref = COALESCE(:ref, ref)
WHERE id = :id AND (settled_at IS NULL OR (outcome = 'overtaken' AND CAST(:outcome AS TEXT) = 'delivered'))

-- message_postpone: tried again later, by whoever comes first
UPDATE messages SET due_at = :due_at, detail = :detail, lease_until = NULL, claimed_by = NULL
WHERE id = :id AND settled_at IS NULL

-- pages_withdraw: nobody, or not this person, needs to be interrupted any more
UPDATE messages SET settled_at = :now, outcome = 'overtaken', detail = :detail
WHERE incident = :incident AND kind = 'page' AND purpose = 'real' AND settled_at IS NULL
    AND (CAST(:person AS TEXT) IS NULL OR person = :person)

-- card_keep: what to edit next time
INSERT INTO cards (incident, address, ref, posted_at)
SELECT incident, address, :ref, :now FROM messages WHERE id = :id AND incident IS NOT NULL AND purpose = 'real'
ON CONFLICT (incident, address) DO UPDATE SET ref = excluded.ref, posted_at = excluded.posted_at

-- card_of: whose card was posted as this
SELECT incident AS id FROM cards WHERE ref = :ref ORDER BY id DESC LIMIT 1

-- messages_next: when a message may next be claimed
SELECT MIN(CASE WHEN lease_until IS NULL OR lease_until < due_at THEN due_at ELSE lease_until END) AS due_at
FROM messages WHERE settled_at IS NULL

-- messages_pending: neither delivered nor given up
SELECT COUNT(*) AS pending FROM messages WHERE settled_at IS NULL

-- message: one of them
SELECT * FROM messages WHERE id = :id

-- messages_newest: for people
SELECT id, kind, incident, person, channel, promised_at, due_at, attempts, settled_at, outcome, detail FROM messages
ORDER BY promised_at DESC, id LIMIT :limit

-- messages_of_incident: for people
SELECT id, kind, incident, person, channel, promised_at, due_at, attempts, settled_at, outcome, detail FROM messages
WHERE incident = :incident ORDER BY promised_at DESC, id LIMIT :limit

-- ---------------------------------------------------------------------------------------------------------------
-- The timeline. `kinds` is empty for all, or `|acknowledged|resolved|`.

-- entry_append: positions come from the head
INSERT INTO timeline (position, at, kind, incident, by_whom, facts)
VALUES (:position, :at, :kind, :incident, :by_whom, :facts)

-- timeline_after: from a position on
SELECT position, at, kind, incident, by_whom, facts FROM timeline
WHERE position > :after AND (:kinds = '' OR REPLACE(:kinds, '|' || kind || '|', '') <> :kinds)
ORDER BY position LIMIT :limit

-- timeline_between: a span of time; the plus signs keep a planner without statistics on the index by time
SELECT position, at, kind, incident, by_whom, facts FROM timeline
WHERE at >= :start AND at < :end AND +position > :after
    AND (:kinds = '' OR REPLACE(:kinds, '|' || kind || '|', '') <> :kinds)
ORDER BY +position LIMIT :limit

-- timeline_of_incident: one incident's story
SELECT position, at, kind, incident, by_whom, facts FROM timeline
WHERE incident = :incident AND position > :after AND +at >= :start AND +at < :end
    AND (:kinds = '' OR REPLACE(:kinds, '|' || kind || '|', '') <> :kinds)
ORDER BY position LIMIT :limit

-- timeline_shape: to compare with the head
SELECT COUNT(*) AS entries, COALESCE(MIN(position), 0) AS first, COALESCE(MAX(position), 0) AS last FROM timeline

-- ---------------------------------------------------------------------------------------------------------------
-- Nodes

-- node_beat: this node lives
INSERT INTO nodes (id, seen_at, facts) VALUES (:id, :now, :facts)
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, facts = excluded.facts

-- nodes: last signs of life
SELECT id, seen_at, facts FROM nodes ORDER BY id

-- lease_take: take or keep; no row back means another node has it
INSERT INTO leases (id, node, held_until) VALUES (:id, :node, :held_until)
ON CONFLICT (id) DO UPDATE SET node = excluded.node, held_until = excluded.held_until
WHERE leases.node = excluded.node OR leases.held_until <= :now
RETURNING id

-- ---------------------------------------------------------------------------------------------------------------
-- Inspections

-- inspection_keep: whoever is first has run it
INSERT INTO inspections (id, inspection, began_at, due_at, told_at, by_whom, facts, document)
VALUES (:id, :inspection, :began_at, :due_at, :told_at, :by_whom, :facts, :document)
ON CONFLICT (id) DO NOTHING

-- inspection: one report
SELECT document FROM inspections WHERE id = :id

-- inspection_last: the report to compare somebody's own look with
SELECT document FROM inspections WHERE inspection = :inspection AND began_at < :before
ORDER BY began_at DESC, id DESC LIMIT 1

-- inspection_last_told: the report to compare a round for everybody with
SELECT document FROM inspections WHERE inspection = :inspection AND began_at < :before AND told_at IS NOT NULL
ORDER BY began_at DESC, id DESC LIMIT 1

-- inspection_last_due: which scheduled instant was run last
SELECT due_at FROM inspections WHERE inspection = :inspection AND due_at IS NOT NULL
ORDER BY due_at DESC, id DESC LIMIT 1

-- inspections_newest: for people
SELECT id, inspection, began_at, due_at, told_at, by_whom, facts FROM inspections
ORDER BY began_at DESC, id DESC LIMIT :limit

-- inspections_newest_of: for people
SELECT id, inspection, began_at, due_at, told_at, by_whom, facts FROM inspections WHERE inspection = :inspection
ORDER BY began_at DESC, id DESC LIMIT :limit

-- prune_inspections: older than they are kept; their files stay
DELETE FROM inspections WHERE id IN (
    SELECT id FROM inspections WHERE began_at < :before ORDER BY began_at, id LIMIT :limit
)

-- ---------------------------------------------------------------------------------------------------------------
-- Retention, in bounded batches

-- prune_mark: nodes that have seen less than this head must read everything again
UPDATE head SET pruned_at_version = version WHERE id = 1

-- prune_alerts: forget the ends that every node has seen
DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_silences: likewise
DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_watches: likewise
DELETE FROM watches WHERE id IN (SELECT id FROM watches WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_postings: likewise
DELETE FROM postings WHERE id IN (SELECT id FROM postings WHERE left_at < :before ORDER BY id LIMIT :limit)

-- prune_messages: settled long ago; the timeline has their story
DELETE FROM messages WHERE id IN (
    SELECT id FROM messages WHERE settled_at < :before ORDER BY settled_at, id LIMIT :limit
)

-- prune_cards: nobody edits a card of an incident this old
DELETE FROM cards WHERE (incident, address) IN (
    SELECT incident, address FROM cards WHERE posted_at < :before ORDER BY incident, address LIMIT :limit
)

-- prune_leases: runs that are long over
DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE held_until < :before ORDER BY id LIMIT :limit)

-- ---------------------------------------------------------------------------------------------------------------
-- Samples

-- series_keep: name a series the first time it has a value
INSERT INTO series (id, check_id, target, item, name, unit) VALUES (:id, :check_id, :target, :item, :name, :unit)
ON CONFLICT (id) DO NOTHING

-- sample_append: one value
INSERT INTO samples (series, at, value) VALUES (:series, :at, :value) ON CONFLICT (series, at) DO NOTHING

-- samples_of_check: values of one check on one target, oldest first
SELECT series.item, series.name, series.unit, samples.at, samples.value
FROM series JOIN samples ON samples.series = series.id
WHERE series.check_id = :check_id AND series.target = :target AND samples.at >= :start AND samples.at < :end
ORDER BY samples.at, series.id LIMIT :limit

-- samples_of_series: the newest values of one sample of one item
SELECT series.unit, samples.at, samples.value FROM series JOIN samples ON samples.series = series.id
WHERE series.check_id = :check_id AND series.target = :target AND series.item = :item AND series.name = :name
    AND samples.at >= :start AND samples.at < :end
ORDER BY samples.at DESC, series.id LIMIT :limit

-- series_of_check: what one check ever measured on one target
SELECT item, name, unit FROM series WHERE check_id = :check_id AND target = :target ORDER BY item, name, id

-- prune_samples: older than they are kept
DELETE FROM samples WHERE (series, at) IN (
    SELECT series, at FROM samples WHERE at < :before ORDER BY at, series LIMIT :limit
)

-- prune_series: those that have no value left
DELETE FROM series WHERE id IN (
    SELECT id FROM series WHERE NOT EXISTS (SELECT 1 FROM samples WHERE samples.series = series.id)
        AND NOT EXISTS (SELECT 1 FROM rollups WHERE rollups.series = series.id)
    ORDER BY id LIMIT :limit
)

-- ---------------------------------------------------------------------------------------------------------------
-- Roll-ups: what is left of values once they are old, per series and hour

-- rolled_up: how far; no row: nothing was ever rolled up
SELECT until FROM rolled_up WHERE id = 1

-- rolled_up_move: every hour before it is done; it never goes back
INSERT INTO rolled_up (id, until) VALUES (1, :until)
ON CONFLICT (id) DO UPDATE SET until = excluded.until WHERE rolled_up.until < excluded.until

-- sample_next: the first value from an instant on, to skip what has none
SELECT MIN(at) AS at FROM samples WHERE at >= :start

-- series_page: the next so many series
SELECT id FROM series WHERE id > :after ORDER BY id LIMIT :limit

-- values_of_page: what a page of series saw in a span. CROSS JOIN keeps SQLite on the index by series.
SELECT page.id, samples.value FROM (SELECT id FROM series WHERE id > :after AND id <= :last) AS page
CROSS JOIN samples WHERE samples.series = page.id AND samples.at >= :start AND samples.at < :end
ORDER BY page.id

-- rollup_save: one hour of one series; again is the same
INSERT INTO rollups (series, at, least, most, mean, deviation, looks)
VALUES (:series, :at, :least, :most, :mean, :deviation, :looks)
ON CONFLICT (series, at) DO UPDATE
SET least = excluded.least, most = excluded.most, mean = excluded.mean, deviation = excluded.deviation,
    looks = excluded.looks

-- rollup_forget: as new hours of a series come, its oldest go
DELETE FROM rollups WHERE series = :series AND at IN (
    SELECT at FROM rollups WHERE series = :series AND at < :before ORDER BY at LIMIT :limit
)

-- rollups_of_check: the hours of one check on one target, oldest first
SELECT series.item, series.name, series.unit, rollups.at, rollups.least, rollups.most, rollups.mean, rollups.deviation,
    rollups.looks
FROM series JOIN rollups ON rollups.series = series.id
WHERE series.check_id = :check_id AND series.target = :target AND rollups.at >= :start AND rollups.at < :end
    AND (CAST(:name AS TEXT) IS NULL OR series.name = :name) AND (CAST(:item AS TEXT) IS NULL OR series.item = :item)
ORDER BY rollups.at, series.id LIMIT :limit

-- rollup_days: on how many days of a span (of UTC) each series of a check has values
SELECT series.item, series.name, COUNT(DISTINCT rollups.at / :day) AS days
FROM series JOIN rollups ON rollups.series = series.id
WHERE series.check_id = :check_id AND series.target = :target AND rollups.at >= :start AND rollups.at < :end
GROUP BY series.id, series.item, series.name ORDER BY series.id
