/* trimtab: what views and other rules make of these relations ($1: oid[]), and of those below them */
with recursive reached as (
    select r.oid from pg_catalog.unnest($1::oid[]) as r(oid)
     union
    select d.refobjid
      from reached v
      join pg_catalog.pg_rewrite w on w.ev_class = v.oid
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                                 and d.refclassid = 'pg_catalog.pg_class'::regclass
)
select n.nspname::text as schema,
       c.relname::text as name,
       pg_catalog.pg_table_is_visible(c.oid) as is_visible,
       w.ev_type = '1' as is_for_reads,
       pg_catalog.pg_get_ruledef(w.oid) as definition
  from reached v
  join pg_catalog.pg_class c on c.oid = v.oid and c.relkind <> 'm'
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname not in ('pg_catalog', 'information_schema')
  join pg_catalog.pg_rewrite w on w.ev_class = c.oid and w.ev_enabled <> 'D'
