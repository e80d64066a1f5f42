/* trimtab: who may set or alter which parameters */
select array[p.parname, case when x.grantee = 0 then 'PUBLIC' else coalesce(r.rolname::text, x.grantee::text) end] as key,
       x.grantee = 0 as is_public,
       array_agg(x.privilege_type || case when x.is_grantable then '*' else '' end order by x.privilege_type) as privileges
  from pg_catalog.pg_parameter_acl p
 cross join lateral pg_catalog.aclexplode(p.paracl) x
  left join pg_catalog.pg_roles r on r.oid = x.grantee
 where coalesce(not r.rolsuper, true)
 group by p.parname, x.grantee, r.rolname
