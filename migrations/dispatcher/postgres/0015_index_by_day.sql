-- A day before the recipient: new messages are entered side by side. By recipient alone each went to a page of its own, which
-- had to be read, and was logged whole after each checkpoint, as soon as the index had outgrown the server's memory.
--
-- The time is an expression, too, which is always the time itself: no look-up by time and id may take this index for one that
-- answers it, as it might while the tables are empty.
--
-- On the parent only, and not valid yet. Months that are made from now on have it at once; whoever migrates makes it for
-- the others while they are in use.
SET LOCAL lock_timeout = '1s';
CREATE INDEX messages_by_day ON ONLY messages
    (organization_id, date_bin('1 day', created_at, '2000-01-01 00:00+00'), recipient,
     date_bin('1 microsecond', created_at, '2000-01-01 00:00+00') DESC);
