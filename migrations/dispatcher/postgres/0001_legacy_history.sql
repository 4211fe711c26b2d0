-- The history as it was before Switchboard: one vendor, one table. Where that system runs, the table is there already.
CREATE TABLE IF NOT EXISTS message_history (
    id              text        PRIMARY KEY,
    organization_id text        NOT NULL,
    type            text        NOT NULL, -- SMS, LMS, MMS, ALIMTALK
    recipient       text        NOT NULL,
    sender          text        NOT NULL,
    body            text        NOT NULL,
    status          text        NOT NULL, -- REQUESTED, SENT, DELIVERED, FAILED
    created_at      timestamptz NOT NULL
);
