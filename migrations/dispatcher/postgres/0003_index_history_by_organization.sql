-- One statement: an index is only built concurrently outside a transaction.
CREATE INDEX CONCURRENTLY IF NOT EXISTS message_history_by_organization ON message_history (organization_id, created_at DESC, id DESC);
