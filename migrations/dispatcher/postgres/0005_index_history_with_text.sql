CREATE INDEX CONCURRENTLY IF NOT EXISTS message_history_with_text ON message_history (created_at) WHERE body <> '' OR content <> '';
