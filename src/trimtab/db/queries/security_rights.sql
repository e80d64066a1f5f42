/* trimtab: what may this role read of the security of its server? */
select pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') as reads_settings,
       r.rolsuper as is_superuser
  from pg_catalog.pg_roles r
 where r.rolname = current_user
