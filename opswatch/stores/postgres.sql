-- What only PostgreSQL needs. The queries that matter are in queries.sql.

-- limits: no statement, lock or frozen node holds the others up for long
SELECT set_config('statement_timeout', '15s', false), set_config('lock_timeout', '5s', false),
       set_config('idle_in_transaction_session_timeout', '5s', false), set_config('client_encoding', 'UTF8', false)

-- durable: a promise is on disk before it leaves, whatever the server's default; stronger settings stay
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')

-- read_only: for those who only look
SELECT set_config('default_transaction_read_only', 'on', false)

-- patience: a migration may take its time, and so may those who wait for it
SELECT set_config('statement_timeout', '600s', true), set_config('lock_timeout', '600s', true)

-- ring: wake the nodes that listen, when this transaction commits; correctness never depends on it
SELECT pg_notify('opswatch', '')

-- listen: be woken
LISTEN opswatch

-- table_bytes: on disk, with its indexes and what it has set aside
SELECT pg_total_relation_size(to_regclass(%(table)s)) AS bytes

-- restoring: filling a large table takes its time
SELECT set_config('statement_timeout', '600s', true), set_config('lock_timeout', '30s', true),
       set_config('idle_in_transaction_session_timeout', '600s', true)
