/* trimtab: large objects: their owners, and what others may do with them, in PostgreSQL's own form ("=" stands for
   everybody). One more than $1, so that it shows when there are more; those that others may use come first. */
select array[l.oid::text] as key, pg_catalog.pg_get_userbyid(l.lomowner)::text as owner,
       array(select case when x.grantee = 0 then '' else coalesce(r.rolname::text, x.grantee::text) end || '='
                    || x.privilege_type || case when x.is_grantable then '*' else '' end
               from pg_catalog.aclexplode(l.lomacl) x
               left join pg_catalog.pg_roles r on r.oid = x.grantee
              where x.grantee <> l.lomowner order by 1) as privileges
  from pg_catalog.pg_largeobject_metadata l
 order by l.lomacl is null, l.oid
 limit $1 + 1
