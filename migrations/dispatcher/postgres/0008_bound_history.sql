-- The old table becomes the oldest partition. It takes rows up to the first month's turn that is at least a week ahead,
-- so that a system that writes it directly has time to be replaced; an empty one takes none of this month any more.
-- NOT VALID: checked for new rows from now on, for old rows by the next migration, which holds up nobody.
SET LOCAL lock_timeout = '1s';
DO $$
DECLARE
    newest timestamptz := (SELECT max(created_at) FROM message_history);
    edge   timestamp   := date_trunc('month', now() AT TIME ZONE 'UTC');
BEGIN
    IF newest IS NOT NULL THEN
        edge := date_trunc('month', (greatest(newest, now()) + interval '7 days') AT TIME ZONE 'UTC') + interval '1 month';
    END IF;
    EXECUTE format('ALTER TABLE message_history ADD CONSTRAINT message_history_bound CHECK (created_at < %L) NOT VALID',
                   edge AT TIME ZONE 'UTC');
END
$$;
