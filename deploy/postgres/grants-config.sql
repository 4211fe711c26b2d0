-- What config-service may do in its database. Run by the owner after every migration; as often as you like:
--
--   psql -v ON_ERROR_STOP=1 -f grants-config.sql "postgres://switchboard_config_owner@HOST/switchboard_config"
--
-- -v role=NAME names another role than `switchboard_config`.

\if :{?role}
\else
    \set role switchboard_config
\endif
BEGIN;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"role";
GRANT USAGE ON SCHEMA public TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"role";
-- What happened is never changed.
REVOKE UPDATE, DELETE ON audit_events FROM :"role";
-- Organisations stay, their past and the versions of what is deleted with them.
REVOKE DELETE ON meta, organizations, deleted_provider_configs FROM :"role";
REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM :"role";
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
COMMIT;
