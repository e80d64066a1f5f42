/* trimtab: the relations that this transaction has locked: what the planner has seen of a query and what was then left
   out of the plan. is_near: they and their ancestors; else descendants, which other settings could bring into a plan.
   is_seen: they alone */
with recursive seen as (
    select distinct c.oid
      from pg_catalog.pg_locks l
      join pg_catalog.pg_class c on c.oid = l.relation
     where l.locktype = 'relation'
       and l.pid = pg_catalog.pg_backend_pid()
       and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
       and c.relkind in ('r', 'p', 'm', 'f')
       and c.relnamespace <> 'pg_catalog'::regnamespace
), above as (
    select s.oid from seen s
     union
    select i.inhparent from above a join pg_catalog.pg_inherits i on i.inhrelid = a.oid
), below as (
    select s.oid from seen s
     union
    select i.inhrelid from below b join pg_catalog.pg_inherits i on i.inhparent = b.oid
)
select n.nspname::text as schema, c.relname::text as name, pg_catalog.bool_or(r.is_near) as is_near, pg_catalog.bool_or(r.is_seen) as is_seen
  from (select a.oid, true as is_near, false as is_seen from above a
         union all
        select b.oid, false, false from below b
         union all
        select s.oid, true, true from seen s) r
  join pg_catalog.pg_class c on c.oid = r.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 group by 1, 2
