-- What the dispatcher may do in its database. Run by the owner after every migration; as often as you like:
--
--   psql -v ON_ERROR_STOP=1 -f grants-dispatcher.sql "postgres://switchboard_dispatcher_owner@HOST/switchboard_dispatcher"
--
-- -v role=NAME names another role than `switchboard_dispatcher`.

\if :{?role}
\else
    \set role switchboard_dispatcher
\endif
BEGIN;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"role";
GRANT USAGE ON SCHEMA public TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"role";
-- An event that was applied stays applied.
REVOKE UPDATE, DELETE ON event_keys FROM :"role";
REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM :"role";
-- Partitions are made and dropped by their owner, through these alone.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION history_partitions(text), history_make_room(text, timestamptz),
    history_drop_expired(timestamptz) TO :"role";
COMMIT;
