-- The partitions of a table and where their time ends; null: the one for everything else.
CREATE FUNCTION history_partitions(parent text) RETURNS TABLE (name text, ending timestamptz) LANGUAGE sql STABLE AS $$
    SELECT relname::text, substring(pg_get_expr(relpartbound, oid) FROM 'TO \(''([^'']+)''\)')::timestamptz
    FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = parent::regclass)
$$;

-- Makes the partition for the month in which an instant lies. False: that month has its place already.
CREATE FUNCTION history_make_room(parent text, instant timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month     timestamp   := date_trunc('month', instant AT TIME ZONE 'UTC');
    beginning timestamptz := month AT TIME ZONE 'UTC';
    ending    timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    place     text        := parent || '_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(place) IS NOT NULL OR EXISTS (
        -- The history of old reaches some way ahead.
        SELECT FROM history_partitions(parent) AS p WHERE p.name = 'message_history' AND p.ending > beginning
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) WITH (fillfactor = 40)', place, parent);
    EXECUTE format('WITH strays AS (DELETE FROM %I WHERE created_at >= %L AND created_at < %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM strays', parent || '_default', beginning, ending, place);
    -- Attached, not made as a partition: that would lock out everybody.
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, place, beginning, ending);
    RETURN true;
END
$$;

SELECT history_make_room(parent, now() + make_interval(months => ahead))
FROM unnest(ARRAY ['messages', 'provider_message_ids']) AS parent, generate_series(0, 3) AS ahead;
