-- What retention looks for. Each message is in one of the first two.
CREATE INDEX messages_with_text  ON messages (created_at) WHERE body <> '' OR content <> '';
CREATE INDEX messages_blanked    ON messages (created_at) WHERE body = '' AND content = '';
CREATE INDEX request_ids_by_time ON request_ids (created_at);
CREATE INDEX parked_by_time      ON parked_updates (parked_at);
