-- Reads every row, but only under a lock that lets others read and write.
ALTER TABLE message_history VALIDATE CONSTRAINT message_history_bound;
