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
