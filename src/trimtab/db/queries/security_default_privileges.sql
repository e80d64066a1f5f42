/* trimtab: of what everybody gets on new functions and types by PostgreSQL's own default, what a role's default
   privileges keep back; what they grant besides is with the grants */
select array[r.rolname::text, a.defaclobjtype::text] as key,
       array_agg(b.privilege_type order by b.privilege_type) as withheld
  from pg_catalog.pg_default_acl a
  join pg_catalog.pg_roles r on r.oid = a.defaclrole
 cross join lateral pg_catalog.aclexplode(pg_catalog.acldefault(
       case a.defaclobjtype when 'S' then 's'::"char" else a.defaclobjtype end, a.defaclrole)) b
 where a.defaclnamespace = 0 and b.grantee = 0
   and not exists (select from pg_catalog.aclexplode(a.defaclacl) x
                    where x.grantee = 0 and x.privilege_type = b.privilege_type)
 group by 1
