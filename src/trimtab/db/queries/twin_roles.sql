/* trimtab: the roles, whether policies bind them at all, and which roles they act as: of those that policies name, and
   that own tables with row-level security or views of such. A superuser has the rights of all, and needs none of them */
with guarded as (
    select c.oid from pg_catalog.pg_class c where c.relrowsecurity
), named as (
    select pg_catalog.unnest(p.polroles) as oid from pg_catalog.pg_policy p
     union
    select c.relowner from pg_catalog.pg_class c join guarded g on g.oid = c.oid
     union
    select c.relowner
      from guarded g
      join pg_catalog.pg_depend d
        on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = g.oid
       and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite w on w.oid = d.objid
      join pg_catalog.pg_class c on c.oid = w.ev_class
), acting as (
    select r.oid, r.rolname from named n join pg_catalog.pg_roles r on r.oid = n.oid
)
select r.rolname::text as name, r.rolsuper or r.rolbypassrls as is_unbound,
       array(select a.rolname::text
               from acting a
              where a.oid = r.oid or (not r.rolsuper and pg_catalog.pg_has_role(r.oid, a.oid, 'usage'))
              order by 1) as acts_as
  from pg_catalog.pg_roles r
 where r.rolname !~ '^pg_' or exists (select from acting a where a.oid = r.oid)
 order by 1
