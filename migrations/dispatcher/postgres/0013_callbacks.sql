-- Events of verified callbacks that could not be read, kept to be replayed.
CREATE TABLE quarantined_events (
    id               text        PRIMARY KEY,
    digest           bytea       NOT NULL UNIQUE, -- over who vouches for it and the event: it is kept once
    provider         text        NOT NULL,
    provider_account text        NOT NULL,
    organization_ids text        NOT NULL,        -- JSON
    reason           text        NOT NULL,
    raw              bytea       NOT NULL,        -- as it came
    seen             bigint      NOT NULL,
    first_at         timestamptz NOT NULL,
    last_at          timestamptz NOT NULL
);
CREATE INDEX quarantined_by_account ON quarantined_events (provider, provider_account);
CREATE INDEX quarantined_by_time ON quarantined_events (first_at, id);

-- Verified updates that spoke for messages of another account: one row for each speaker and each organisation spoken for.
CREATE TABLE refused_updates (
    provider         text        NOT NULL,
    provider_account text        NOT NULL,
    organization_ids text        NOT NULL, -- JSON; who spoke
    target           text        NOT NULL, -- the organisation spoken for
    message_id       text        NOT NULL, -- the last one
    seen             bigint      NOT NULL,
    first_at         timestamptz NOT NULL,
    last_at          timestamptz NOT NULL,
    PRIMARY KEY (provider, provider_account, organization_ids, target)
);
CREATE INDEX refused_by_time ON refused_updates (last_at);
