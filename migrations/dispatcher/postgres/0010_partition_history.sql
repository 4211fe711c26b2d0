-- The live table, partitioned by month, with the old one as its oldest partition.
--
-- Of all a message's columns, those that change while it is sent and reported on are in no index, and pages are not
-- filled by half: so a change stays within its page and touches no index at all. What is due, and what the vendor calls a message,
-- is therefore looked up in two narrow tables beside it.
SET LOCAL lock_timeout = '1s';

CREATE TABLE messages (LIKE message_history INCLUDING DEFAULTS) PARTITION BY RANGE (created_at);
CREATE INDEX messages_by_organization  ON messages (organization_id, created_at DESC, id DESC);
CREATE INDEX messages_by_recipient     ON messages (organization_id, recipient, created_at DESC, id DESC);
-- For retention: each message is in one of these.
CREATE INDEX messages_with_text        ON messages (created_at) WHERE body <> '' OR content <> '';
CREATE INDEX messages_blanked          ON messages (created_at) WHERE body = '' AND content = '';
-- Last: where indexes seem to cost the same, as on an empty table, the newest is taken.
CREATE UNIQUE INDEX messages_by_id     ON messages (id, organization_id, created_at);

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
CREATE TABLE messages_default PARTITION OF messages DEFAULT WITH (fillfactor = 40);
