-- What only SQLite needs. The queries that matter are in queries.sql.

-- journal_mode: whether the file already has a write-ahead log
PRAGMA journal_mode

-- journal_wal: readers never wait for the writer
PRAGMA journal_mode = WAL

-- synchronous_full: durable before anything leaves
PRAGMA synchronous = FULL

-- synchronous_normal: for samples, where losing the last second is cheaper than waiting for the disk
PRAGMA synchronous = NORMAL

-- checkpoint_never: only the daemon's writer checkpoints (SQLite before 3.51.3 can corrupt a file when two race)
PRAGMA wal_autocheckpoint = 0

-- checkpoint_often: a log of at most a few megabytes
PRAGMA wal_autocheckpoint = 1000

-- journal_limit: give the disk back after a storm
PRAGMA journal_size_limit = 67108864

-- integrity: the whole file, page by page
PRAGMA integrity_check(20)

-- tables: those of ours in this file
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name

-- snapshot: the first read of a transaction decides what it sees until its end
SELECT COUNT(*) FROM sqlite_master

-- journal_alone: a copy is one file, without a log beside it
PRAGMA journal_mode = DELETE

-- synchronous_off: for a copy that is synced once, when it is whole
PRAGMA synchronous = OFF

-- space_given_back: set before the first table, so that pages which retention freed can be cut off the file
PRAGMA auto_vacuum = INCREMENTAL

-- checkpoint_whole: fold back what readers allow; waits for nobody
PRAGMA wal_checkpoint(PASSIVE)

-- checkpoint_cut: and give the log's disk space back; only after everything was folded back
PRAGMA wal_checkpoint(TRUNCATE)

-- pages: how large the file is
PRAGMA page_count

-- pages_free: how much of it waits to be used again
PRAGMA freelist_count

-- page_bytes: of one page
PRAGMA page_size

-- pages_cut: give some of the free ones back to the disk
PRAGMA incremental_vacuum(64)
