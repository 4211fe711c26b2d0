-- Two numbers of eight bytes for each message, its organisation's hash and its time: a quarter of the size of names and ids.
-- Where new entries come last in a range, the server leaves full pages behind them, but only of entries no wider than these;
-- it halves the others at each split. Whoever reads asks for the organisation as well, since two may have one hash.
--
-- Only where an organisation is named, which every message has: a look-up by id and time names none, and may so never take
-- this index, as it might while the tables are empty.
--
-- On the parent only, and not valid yet; whoever migrates makes it for the months that there are while they are in use.
SET LOCAL lock_timeout = '1s';
CREATE INDEX messages_by_time ON ONLY messages (hashtextextended(organization_id, 0), created_at) WHERE organization_id <> '';
