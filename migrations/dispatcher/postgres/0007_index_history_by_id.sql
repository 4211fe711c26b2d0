-- Last: where indexes seem to cost the same, as on an empty table, the newest is taken.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS message_history_by_id ON message_history (id, organization_id, created_at);
