-- Organisations, credentials, audit trail, changes.
-- Text that is sorted or compared has the collation "C": the order of code points, as on the other engine.

-- The one row that every writing transaction locks first.
CREATE TABLE meta (
    singleton          INTEGER PRIMARY KEY CHECK (singleton = 1),
    epoch              TEXT    NOT NULL, -- the life of this store that the revisions belong to
    revision           BIGINT  NOT NULL, -- of the last committed change
    retained_after     BIGINT  NOT NULL, -- changes after this revision are kept
    organization_count BIGINT  NOT NULL,
    audit_count        BIGINT  NOT NULL,
    audit_hash         BYTEA   NOT NULL, -- of the last audit event
    key_ring           TEXT    NOT NULL, -- fingerprint of the key ring that seals
    key_floor          BIGINT  NOT NULL  -- the oldest key that may still seal
) WITH (fillfactor = 10);

CREATE TABLE organizations (
    organization_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name                TEXT COLLATE "C" NOT NULL,
    search              TEXT COLLATE "C" NOT NULL, -- id and name, folded, on a line each
    version             BIGINT           NOT NULL,
    provider            TEXT COLLATE "C" NOT NULL DEFAULT '', -- primary of the routing; empty: the platform default
    routing             TEXT             NOT NULL DEFAULT '{}', -- the rest of the routing, JSON
    routing_version     BIGINT           NOT NULL DEFAULT 0,
    routing_update_time TIMESTAMPTZ,
    revision            BIGINT           NOT NULL, -- that last changed anything of the organisation
    create_time         TIMESTAMPTZ      NOT NULL,
    update_time         TIMESTAMPTZ      NOT NULL
);

CREATE INDEX organizations_by_name ON organizations (name, organization_id);
CREATE INDEX organizations_by_create_time ON organizations (create_time, organization_id);
CREATE INDEX organizations_by_provider ON organizations (provider, organization_id);

CREATE TABLE provider_configs (
    organization_id  TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    provider         TEXT COLLATE "C" NOT NULL,
    provider_account TEXT             NOT NULL,
    fields           TEXT             NOT NULL, -- what may be shown of the credentials, JSON
    version          BIGINT           NOT NULL,
    sealed           BYTEA            NOT NULL, -- the credentials
    wrapped_key      BYTEA            NOT NULL, -- their data key
    key_version      BIGINT           NOT NULL, -- the key that wrapped it
    create_time      TIMESTAMPTZ      NOT NULL,
    update_time      TIMESTAMPTZ      NOT NULL,
    PRIMARY KEY (organization_id, provider)
);

CREATE INDEX provider_configs_by_key_version ON provider_configs (key_version, organization_id, provider);

-- The last version of deleted configs: a version never returns.
CREATE TABLE deleted_provider_configs (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    provider        TEXT COLLATE "C" NOT NULL,
    version         BIGINT           NOT NULL,
    PRIMARY KEY (organization_id, provider)
);

CREATE TABLE changes (
    revision        BIGINT           PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    commit_time     TIMESTAMPTZ      NOT NULL
);

CREATE INDEX changes_by_commit_time ON changes (commit_time);

CREATE TABLE audit_events (
    sequence        BIGINT           PRIMARY KEY,
    event_time      TIMESTAMPTZ      NOT NULL,
    actor           TEXT COLLATE "C" NOT NULL,
    roles           TEXT             NOT NULL, -- JSON
    action          TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    provider        TEXT             NOT NULL,
    outcome         TEXT             NOT NULL,
    changes         TEXT             NOT NULL, -- JSON
    forced          BOOLEAN          NOT NULL,
    request_id      TEXT             NOT NULL,
    peer            TEXT             NOT NULL,
    revision        BIGINT           NOT NULL, -- 0: changed nothing
    hash            BYTEA            NOT NULL  -- SHA-256 over the event before and this one
);

CREATE INDEX audit_events_by_organization ON audit_events (organization_id, sequence);
CREATE INDEX audit_events_by_actor ON audit_events (actor, sequence);
CREATE INDEX audit_events_by_action ON audit_events (action, sequence);
CREATE INDEX audit_events_by_time ON audit_events (event_time, sequence);

CREATE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are never changed or deleted';
END;
$$;

CREATE TRIGGER audit_events_are_not_changed
    BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_events();

CREATE TRIGGER audit_events_are_not_truncated
    BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_events();

-- What each replica of config-service last told about the nodes that watch it.
CREATE TABLE nodes (
    replica     TEXT        NOT NULL,
    node_id     TEXT        NOT NULL,
    kind        TEXT        NOT NULL,
    applied     BIGINT      NOT NULL,
    nack_reason TEXT        NOT NULL,
    last_seen   TIMESTAMPTZ NOT NULL,
    report_time TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (replica, node_id)
);
