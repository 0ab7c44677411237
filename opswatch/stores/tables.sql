-- What is asked of any table of ours, whichever it is: for backups, restores and counting. `{table}`, `{columns}` and
-- `{places}` are filled with names from our own schema, never with what somebody wrote.

-- table_rows: everything in it
SELECT * FROM {table}

-- table_count: how many rows it has
SELECT COUNT(*) AS rows FROM {table}

-- table_empty: before it is filled from a backup
DELETE FROM {table}

-- table_fill: one row
INSERT INTO {table} ({columns}) VALUES ({places})
