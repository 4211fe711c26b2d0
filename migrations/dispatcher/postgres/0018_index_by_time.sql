-- In the order of time instead of against it: new messages come last among their organisation's, where the server leaves
-- full pages behind it. At the front, it split each full page into halves.
--
-- Only where an organisation is named, which every message has: a look-up by id and time names none, and may so never take
-- this index, as it might while the tables are empty. It is read backwards, by the version before as well.
--
-- On the parent only, and not valid yet; whoever migrates makes it for the months that there are while they are in use.
SET LOCAL lock_timeout = '1s';
CREATE INDEX messages_by_time ON ONLY messages (organization_id, created_at, id) WHERE organization_id <> '';
