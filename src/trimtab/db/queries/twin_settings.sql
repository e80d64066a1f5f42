/* trimtab: what this session has of the settings that match, with their units */
select s.name, pg_catalog.current_setting(s.name) as value from pg_catalog.pg_settings s where s.name ~ $1::text
