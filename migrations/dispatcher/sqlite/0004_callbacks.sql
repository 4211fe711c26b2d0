-- Events of verified callbacks that could not be read, kept to be replayed.
CREATE TABLE quarantined_events (
    id               TEXT    PRIMARY KEY,
    digest           BLOB    NOT NULL UNIQUE, -- over who vouches for it and the event: it is kept once
    provider         TEXT    NOT NULL,
    provider_account TEXT    NOT NULL,
    organization_ids TEXT    NOT NULL,        -- JSON
    reason           TEXT    NOT NULL,
    raw              BLOB    NOT NULL,        -- as it came
    seen             INTEGER NOT NULL,
    first_at         INTEGER NOT NULL,
    last_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantined_by_account ON quarantined_events (provider, provider_account);
CREATE INDEX quarantined_by_time ON quarantined_events (first_at, id);

-- Verified updates that spoke for messages of another account: one row for each speaker and each organisation spoken for.
CREATE TABLE refused_updates (
    provider         TEXT    NOT NULL,
    provider_account TEXT    NOT NULL,
    organization_ids TEXT    NOT NULL, -- JSON; who spoke
    target           TEXT    NOT NULL, -- the organisation spoken for
    message_id       TEXT    NOT NULL, -- the last one
    seen             INTEGER NOT NULL,
    first_at         INTEGER NOT NULL,
    last_at          INTEGER NOT NULL,
    PRIMARY KEY (provider, provider_account, organization_ids, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_by_time ON refused_updates (last_at);
