-- One statement: an index is only built concurrently outside a transaction.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS message_history_by_id ON message_history (id, organization_id, created_at);
