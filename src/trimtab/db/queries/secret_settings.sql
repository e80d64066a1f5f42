/* trimtab: the settings that this role is shown, and in which a password, a key or a token may stand. */
select name
  from pg_catalog.pg_settings
 where name = any ($1::text[]) and setting not in ('', '(disabled)')
