-- Organisations, credentials, audit trail, changes. Instants are microseconds since 1970.

-- The one row that every writing transaction locks first.
CREATE TABLE meta (
    singleton          INTEGER PRIMARY KEY CHECK (singleton = 1),
    epoch              TEXT    NOT NULL, -- the life of this store that the revisions belong to
    revision           INTEGER NOT NULL, -- of the last committed change
    retained_after     INTEGER NOT NULL, -- changes after this revision are kept
    organization_count INTEGER NOT NULL,
    audit_count        INTEGER NOT NULL,
    audit_hash         BLOB    NOT NULL, -- of the last audit event
    key_ring           TEXT    NOT NULL, -- fingerprint of the key ring that seals
    key_floor          INTEGER NOT NULL  -- the oldest key that may still seal
) STRICT;

CREATE TABLE organizations (
    organization_id     TEXT    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL,
    search              TEXT    NOT NULL, -- id and name, folded, on a line each
    version             INTEGER NOT NULL,
    provider            TEXT    NOT NULL DEFAULT '', -- primary of the routing; empty: the platform default
    routing             TEXT    NOT NULL DEFAULT '{}', -- the rest of the routing, JSON
    routing_version     INTEGER NOT NULL DEFAULT 0,
    routing_update_time INTEGER,
    revision            INTEGER NOT NULL, -- that last changed anything of the organisation
    create_time         INTEGER NOT NULL,
    update_time         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX organizations_by_name ON organizations (name, organization_id);
CREATE INDEX organizations_by_create_time ON organizations (create_time, organization_id);
CREATE INDEX organizations_by_provider ON organizations (provider, organization_id);
-- Small enough to be searched from end to end.
CREATE INDEX organizations_search ON organizations (organization_id, search);

CREATE TABLE provider_configs (
    organization_id  TEXT    NOT NULL REFERENCES organizations (organization_id),
    provider         TEXT    NOT NULL,
    provider_account TEXT    NOT NULL,
    fields           TEXT    NOT NULL, -- what may be shown of the credentials, JSON
    version          INTEGER NOT NULL,
    sealed           BLOB    NOT NULL, -- the credentials
    wrapped_key      BLOB    NOT NULL, -- their data key
    key_version      INTEGER NOT NULL, -- the key that wrapped it
    create_time      INTEGER NOT NULL,
    update_time      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, provider)
) STRICT;

CREATE INDEX provider_configs_by_key_version ON provider_configs (key_version, organization_id, provider);

-- The last version of deleted configs: a version never returns.
CREATE TABLE deleted_provider_configs (
    organization_id TEXT    NOT NULL REFERENCES organizations (organization_id),
    provider        TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    PRIMARY KEY (organization_id, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    revision        INTEGER PRIMARY KEY,
    organization_id TEXT    NOT NULL,
    commit_time     INTEGER NOT NULL
) STRICT;

CREATE INDEX changes_by_commit_time ON changes (commit_time);

CREATE TABLE audit_events (
    sequence        INTEGER PRIMARY KEY,
    event_time      INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    roles           TEXT    NOT NULL, -- JSON
    action          TEXT    NOT NULL,
    organization_id TEXT    NOT NULL,
    provider        TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    changes         TEXT    NOT NULL, -- JSON
    forced          INTEGER NOT NULL,
    request_id      TEXT    NOT NULL,
    peer            TEXT    NOT NULL,
    revision        INTEGER NOT NULL, -- 0: changed nothing
    hash            BLOB    NOT NULL  -- SHA-256 over the event before and this one
) STRICT;

CREATE INDEX audit_events_by_organization ON audit_events (organization_id, sequence);
CREATE INDEX audit_events_by_actor ON audit_events (actor, sequence);
CREATE INDEX audit_events_by_action ON audit_events (action, sequence);
CREATE INDEX audit_events_by_time ON audit_events (event_time, sequence);

CREATE TRIGGER audit_events_are_not_updated BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are never changed');
END;

CREATE TRIGGER audit_events_are_not_deleted BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are never deleted');
END;

-- What each replica of config-service last told about the nodes that watch it.
CREATE TABLE nodes (
    replica     TEXT    NOT NULL,
    node_id     TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    applied     INTEGER NOT NULL,
    nack_reason TEXT    NOT NULL,
    last_seen   INTEGER NOT NULL,
    report_time INTEGER NOT NULL,
    PRIMARY KEY (replica, node_id)
) STRICT, WITHOUT ROWID;
