CREATE INDEX CONCURRENTLY IF NOT EXISTS message_history_blanked ON message_history (created_at) WHERE body = '' AND content = '';
