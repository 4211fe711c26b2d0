-- Databases and roles, two for each service that stores: one owns the tables and migrates them, the other serves and may
-- not change them. Run once by a superuser, and again to change passwords:
--
--   psql -v ON_ERROR_STOP=1 -v config_owner_password=… -v config_password=… -v dispatcher_owner_password=… \
--        -v dispatcher_password=… -f roles.sql
--
-- Then `switchboard migrate` as each owner, and grants-*.sql as that owner, after every migration.
-- -v prefix=NAME puts another word than `switchboard` before every name.

\if :{?prefix}
\else
    \set prefix switchboard
\endif
-- Passwords must not stand in the server's log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';

SELECT format('CREATE ROLE %I', :'prefix' || '_' || name)
FROM unnest(ARRAY ['config_owner', 'config', 'dispatcher_owner', 'dispatcher']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'prefix' || '_' || name)
\gexec

SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %L',
              :'prefix' || '_' || name, password)
FROM (VALUES ('config_owner', :'config_owner_password'), ('config', :'config_password'),
             ('dispatcher_owner', :'dispatcher_owner_password'), ('dispatcher', :'dispatcher_password'))
     AS roles (name, password)
\gexec

-- Texts in the order of their bytes: ids are compared all day long, and no index depends on a locale that an upgrade of the
-- system may sort anew.
SELECT format($$CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'$$,
              :'prefix' || '_' || name, :'prefix' || '_' || name || '_owner')
FROM unnest(ARRAY ['config', 'dispatcher']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'prefix' || '_' || name)
\gexec

-- Nobody but the two of a service comes into its database.
SELECT format('REVOKE ALL ON DATABASE %1$I FROM PUBLIC; GRANT CONNECT ON DATABASE %1$I TO %1$I', :'prefix' || '_' || name)
FROM unnest(ARRAY ['config', 'dispatcher']) AS name
\gexec

SELECT :'prefix' || '_config' AS database \gset
\connect :database
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SELECT :'prefix' || '_dispatcher' AS database \gset
\connect :database
REVOKE ALL ON SCHEMA public FROM PUBLIC;
