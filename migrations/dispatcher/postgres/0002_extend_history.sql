-- Expand. Old rows stay where they are and mean what they meant: carried by CloudMsg, never to be sent again. Constant
-- defaults only, so that no row is rewritten; whoever still writes the eight old columns goes on doing so.
SET LOCAL lock_timeout = '1s';
ALTER TABLE message_history
    ADD COLUMN provider                text   NOT NULL DEFAULT 'cloudmsg',
    ADD COLUMN provider_account        text   NOT NULL DEFAULT '',
    ADD COLUMN account_organization_id text   NOT NULL DEFAULT '',
    ADD COLUMN config_revision         bigint NOT NULL DEFAULT 0,
    ADD COLUMN provider_config_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN provider_message_id     text   NOT NULL DEFAULT '',
    ADD COLUMN request_id              text   NOT NULL DEFAULT '',
    ADD COLUMN labels                  text   NOT NULL DEFAULT '{}', -- JSON
    ADD COLUMN content                 text   NOT NULL DEFAULT '',   -- what is needed to send it, as JSON; empty: archived
    ADD COLUMN events                  text   NOT NULL DEFAULT '[]', -- the timeline, a JSON array that only grows
    ADD COLUMN failure                 text,                         -- JSON
    ADD COLUMN fallback_message_id     text   NOT NULL DEFAULT '',
    ADD COLUMN accepted_at             timestamptz,
    ADD COLUMN result_at               timestamptz,
    ADD COLUMN due_at                  timestamptz,                  -- when somebody must look after it next
    ADD COLUMN listed_at               timestamptz,                  -- its place in open_messages, not after due_at
    ADD COLUMN checks                  bigint NOT NULL DEFAULT 0;
-- Room in each page for a row's next version: see 0010.
ALTER TABLE message_history SET (fillfactor = 40);
