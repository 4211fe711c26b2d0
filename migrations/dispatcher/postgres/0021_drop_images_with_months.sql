-- Images hang on no foreign key, and a month may be dropped before they have gone with their texts: then they go with it.
CREATE OR REPLACE FUNCTION history_drop_expired(before timestamptz) RETURNS TABLE (parent text, dropped bigint)
LANGUAGE plpgsql AS $$
DECLARE
    expired record;
BEGIN
    -- All of them before the first drop, which locks everybody out.
    FOR expired IN SELECT p.name FROM history_partitions('messages') AS p WHERE p.ending <= before LOOP
        EXECUTE format('DELETE FROM message_images USING %I AS m WHERE message_id = m.id', expired.name);
    END LOOP;
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

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION history_drop_expired(timestamptz) SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());
END
$$;
