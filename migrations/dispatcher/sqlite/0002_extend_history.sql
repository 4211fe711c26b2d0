-- Old rows stay where they are and mean what they meant: carried by CloudMsg, never to be sent again.
ALTER TABLE message_history RENAME TO messages;
ALTER TABLE messages ADD COLUMN provider                TEXT    NOT NULL DEFAULT 'cloudmsg';
ALTER TABLE messages ADD COLUMN provider_account        TEXT    NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN account_organization_id TEXT    NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN config_revision         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN provider_config_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN provider_message_id     TEXT    NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN request_id              TEXT    NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN labels                  TEXT    NOT NULL DEFAULT '{}';
-- What is needed to send it, as JSON; empty: archived, never sent.
ALTER TABLE messages ADD COLUMN content                 TEXT    NOT NULL DEFAULT '';
-- The timeline, a JSON array.
ALTER TABLE messages ADD COLUMN events                  TEXT    NOT NULL DEFAULT '[]';
-- A failure, as JSON.
ALTER TABLE messages ADD COLUMN failure                 TEXT;
ALTER TABLE messages ADD COLUMN fallback_message_id     TEXT    NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN accepted_at             INTEGER;
ALTER TABLE messages ADD COLUMN result_at               INTEGER;
-- When somebody must look after it next; null: nobody has to.
ALTER TABLE messages ADD COLUMN due_at                  INTEGER;
ALTER TABLE messages ADD COLUMN checks                  INTEGER NOT NULL DEFAULT 0;

CREATE INDEX messages_by_organization ON messages (organization_id, created_at DESC, id DESC);
CREATE INDEX messages_by_recipient    ON messages (organization_id, recipient, created_at DESC, id DESC);
CREATE INDEX messages_by_provider_id  ON messages (provider_message_id, provider) WHERE provider_message_id <> '';
CREATE INDEX messages_due             ON messages (due_at) WHERE due_at IS NOT NULL;

-- Images of an MMS, kept until the message is final.
CREATE TABLE message_images (
    message_id TEXT    NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    data       BLOB    NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;

-- Which request id made which message, from which content.
CREATE TABLE request_ids (
    organization_id TEXT    NOT NULL,
    request_id      TEXT    NOT NULL,
    fingerprint     BLOB    NOT NULL,
    message_id      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, request_id)
) STRICT, WITHOUT ROWID;

-- Every vendor event ever applied.
CREATE TABLE event_keys (
    event_key   TEXT    PRIMARY KEY,
    message_id  TEXT    NOT NULL, -- empty: parked
    recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Vendor events that came before their message was known by the vendor's id.
CREATE TABLE parked_updates (
    event_key           TEXT    PRIMARY KEY,
    provider_message_id TEXT    NOT NULL,
    body                TEXT    NOT NULL, -- JSON
    parked_at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_by_provider_id ON parked_updates (provider_message_id);
