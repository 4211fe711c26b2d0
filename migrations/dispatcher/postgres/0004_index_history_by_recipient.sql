CREATE INDEX CONCURRENTLY IF NOT EXISTS message_history_by_recipient ON message_history (organization_id, recipient, created_at DESC, id DESC);
