-- Who serves need not own the tables: the upkeep of partitions runs with the rights of the owner, and does nothing else
-- than what its name says.

-- Drops the partitions that end at an instant or before; how many of each table. Tables that somebody uses are waited
-- for as long as the caller's lock_timeout allows.
CREATE FUNCTION history_drop_expired(before timestamptz) RETURNS TABLE (parent text, dropped bigint)
LANGUAGE plpgsql AS $$
DECLARE
    expired record;
BEGIN
    FOREACH parent IN ARRAY ARRAY ['messages', 'provider_message_ids'] LOOP
        dropped := 0;
        FOR expired IN SELECT p.name FROM history_partitions(parent) AS p WHERE p.ending <= before ORDER BY p.ending LOOP
            EXECUTE format('DROP TABLE %I', expired.name);
            dropped := dropped + 1;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Names mean the tables beside these functions, whatever the caller has made that is called the same.
DO $$
DECLARE
    upkeep text;
BEGIN
    FOREACH upkeep IN ARRAY ARRAY ['history_make_room(text, timestamptz)', 'history_drop_expired(timestamptz)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', upkeep, current_schema());
    END LOOP;
END
$$;
