-- What vendors call a message never changes, so nothing needs to be kept free in its pages: only messages grow in theirs.
SET LOCAL lock_timeout = '1s';

CREATE OR REPLACE FUNCTION history_make_room(parent text, instant timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month     timestamp   := date_trunc('month', instant AT TIME ZONE 'UTC');
    beginning timestamptz := month AT TIME ZONE 'UTC';
    ending    timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    place     text        := parent || '_' || to_char(month, 'YYYY_MM');
    storage   text        := CASE parent WHEN 'messages' THEN 'WITH (fillfactor = 40)' ELSE '' END;
BEGIN
    IF to_regclass(place) IS NOT NULL OR EXISTS (
        -- The history of old reaches some way ahead.
        SELECT FROM history_partitions(parent) AS p WHERE p.name = 'message_history' AND p.ending > beginning
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) %s', place, parent, storage);
    PERFORM history_share(parent, place);
    EXECUTE format('WITH strays AS (DELETE FROM %I WHERE created_at >= %L AND created_at < %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM strays', parent || '_default', beginning, ending, place);
    -- Attached, not made as a partition: that would lock out everybody.
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, place, beginning, ending);
    RETURN true;
END
$$;

DO $$
DECLARE
    place text;
BEGIN
    EXECUTE format('ALTER FUNCTION history_make_room(text, timestamptz) SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());
    FOR place IN SELECT name FROM history_partitions('provider_message_ids') LOOP
        EXECUTE format('ALTER TABLE %I RESET (fillfactor)', place);
    END LOOP;
END
$$;
