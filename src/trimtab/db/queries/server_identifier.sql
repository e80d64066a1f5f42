/* trimtab: the identifier that this server shares with its physical standbys */
select system_identifier::text as system_identifier from pg_catalog.pg_control_system()
