-- What goes into one month is written to that month's tables by their own names, and so whoever may write to all months
-- must be allowed to write to each. Who has no such right on a month writes through all of them, slower.

-- Gives the rights on a partitioned table on one of its partitions, too.
CREATE OR REPLACE FUNCTION history_share(parent text, place text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    allowed record;
BEGIN
    FOR allowed IN
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS whom, privilege_type AS what
        FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) WHERE oid = parent::regclass AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %I TO %s', allowed.what, place, allowed.whom);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION history_make_room(parent text, instant timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
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
    PERFORM history_share(parent, place);
    EXECUTE format('WITH strays AS (DELETE FROM %I WHERE created_at >= %L AND created_at < %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM strays', parent || '_default', beginning, ending, place);
    -- Attached, not made as a partition: that would lock out everybody.
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, place, beginning, ending);
    RETURN true;
END
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION history_make_room(text, timestamptz) SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());
    PERFORM history_share(parent, p.name)
    FROM unnest(ARRAY ['messages', 'provider_message_ids']) AS parent CROSS JOIN LATERAL history_partitions(parent) AS p;
END
$$;
