-- The live table, partitioned by month, with the old one as its oldest partition.
--
-- Of all a message's columns, those that change while it is sent and reported on are in no index, and pages are filled
-- by half: so a change stays within its page and touches no index at all. What is due and what the vendor calls a message
-- is therefore looked up in two narrow tables beside it.
SET LOCAL lock_timeout = '1s';

CREATE TABLE messages (LIKE message_history INCLUDING DEFAULTS) PARTITION BY RANGE (created_at);
CREATE UNIQUE INDEX messages_by_id     ON messages (id, organization_id, created_at);
CREATE INDEX messages_by_organization  ON messages (organization_id, created_at DESC, id DESC);
CREATE INDEX messages_by_recipient     ON messages (organization_id, recipient, created_at DESC, id DESC);
-- For retention: each message is in one of these.
CREATE INDEX messages_with_text        ON messages (created_at) WHERE body <> '' OR content <> '';
CREATE INDEX messages_blanked          ON messages (created_at) WHERE body = '' AND content = '';

-- Its constraint proves the bound and its indexes match: nothing is read, nothing is built.
ALTER TABLE message_history DROP CONSTRAINT message_history_pkey;
DO $$
DECLARE
    edge text := (SELECT substring(pg_get_constraintdef(oid) FROM '''([^'']+)''') FROM pg_constraint
                  WHERE conrelid = 'message_history'::regclass AND conname = 'message_history_bound');
BEGIN
    EXECUTE format('ALTER TABLE messages ATTACH PARTITION message_history FOR VALUES FROM (MINVALUE) TO (%L)', edge);
END
$$;
ALTER TABLE message_history DROP CONSTRAINT message_history_bound;

-- Where a message goes whose month has no partition: never lost, and moved once its month has one.
CREATE TABLE messages_default PARTITION OF messages DEFAULT WITH (fillfactor = 50);

-- Makes the partition of the month in which an instant lies. Does nothing where that time is covered.
CREATE FUNCTION messages_make_room(instant timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month     timestamp   := date_trunc('month', instant AT TIME ZONE 'UTC');
    beginning timestamptz := month AT TIME ZONE 'UTC';
    ending    timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    name      text        := 'messages_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE messages INCLUDING DEFAULTS) WITH (fillfactor = 50)', name);
    EXECUTE format('WITH strays AS (DELETE FROM messages_default WHERE created_at >= %L AND created_at < %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM strays', beginning, ending, name);
    -- Attached, not made as a partition: that would lock out everybody.
    EXECUTE format('ALTER TABLE messages ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, beginning, ending);
    RETURN true;
EXCEPTION
    WHEN invalid_object_definition THEN
        RETURN false; -- the oldest partition reaches that far
END
$$;
SELECT messages_make_room(now() + make_interval(months => ahead)) FROM generate_series(0, 3) AS ahead;
