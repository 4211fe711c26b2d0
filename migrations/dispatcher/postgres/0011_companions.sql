-- Messages that somebody must look after, none of them before the time under which it is listed. A small delay, such as
-- the vendor's answer brings, leaves a message where it is in the list: whoever walks it reads the exact time anyway.
CREATE TABLE open_messages (
    listed_at  timestamptz NOT NULL,
    message_id text        NOT NULL,
    created_at timestamptz NOT NULL, -- of the message
    PRIMARY KEY (listed_at, message_id)
);

-- What vendors call our messages. Partitioned like them, to be dropped with them.
CREATE TABLE provider_message_ids (
    provider_message_id text        NOT NULL,
    provider            text        NOT NULL,
    message_id          text        NOT NULL,
    created_at          timestamptz NOT NULL, -- of the message
    PRIMARY KEY (provider_message_id, provider, message_id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE provider_message_ids_default PARTITION OF provider_message_ids DEFAULT;

-- Images of an MMS, kept until the message is final.
CREATE TABLE message_images (
    message_id text    NOT NULL,
    position   integer NOT NULL,
    width      bigint  NOT NULL,
    height     bigint  NOT NULL,
    data       bytea   NOT NULL,
    PRIMARY KEY (message_id, position)
);
-- JPEG does not get smaller.
ALTER TABLE message_images ALTER COLUMN data SET STORAGE EXTERNAL;

-- Which request id made which message, from which content.
CREATE TABLE request_ids (
    organization_id text        NOT NULL,
    request_id      text        NOT NULL,
    fingerprint     bytea       NOT NULL,
    message_id      text        NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, request_id)
);
CREATE INDEX request_ids_by_time ON request_ids (created_at);

-- Every vendor event ever applied.
CREATE TABLE event_keys (
    event_key   bytea       PRIMARY KEY,
    message_id  text        NOT NULL, -- empty: parked
    recorded_at timestamptz NOT NULL
);

-- Vendor events that came before their message was known by the vendor's id.
CREATE TABLE parked_updates (
    event_key           text        PRIMARY KEY,
    provider            text        NOT NULL,
    provider_message_id text        NOT NULL,
    body                text        NOT NULL, -- JSON
    parked_at           timestamptz NOT NULL
);
CREATE INDEX parked_by_provider_id ON parked_updates (provider_message_id);
CREATE INDEX parked_by_time ON parked_updates (parked_at);
