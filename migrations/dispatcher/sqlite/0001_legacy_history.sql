-- The history as it was before Switchboard: one vendor, one table.
CREATE TABLE message_history (
    id              TEXT    PRIMARY KEY,
    organization_id TEXT    NOT NULL,
    type            TEXT    NOT NULL, -- SMS, LMS, MMS, ALIMTALK
    recipient       TEXT    NOT NULL,
    sender          TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    status          TEXT    NOT NULL, -- REQUESTED, SENT, DELIVERED, FAILED
    created_at      INTEGER NOT NULL  -- microseconds since 1970
) STRICT;
