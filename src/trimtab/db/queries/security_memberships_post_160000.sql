/* trimtab: who is a member of which role */
select array[m.rolname::text, g.rolname::text, coalesce(b.rolname::text, '')] as key,
       g.rolname::text as granted,
       a.admin_option as may_grant_it, a.inherit_option as inherits, a.set_option as may_become_it
  from pg_catalog.pg_auth_members a
  join pg_catalog.pg_roles m on m.oid = a.member
  join pg_catalog.pg_roles g on g.oid = a.roleid
  left join pg_catalog.pg_roles b on b.oid = a.grantor
