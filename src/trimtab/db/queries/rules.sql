/* trimtab: what views and other rules make of the relations named ($1: schemas as written, '' for none; $2: names), and
   of those below them */
with recursive reached as (
    select r.oid
      from unnest($1::text[], $2::text[]) as w(schema, name)
     cross join lateral (
         select case when w.schema = '' then pg_catalog.to_regclass(pg_catalog.quote_ident(w.name))::oid
                     else (select c.oid
                             from pg_catalog.pg_class c
                             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                            where n.nspname = w.schema and c.relname = w.name
                              and pg_catalog.has_schema_privilege(n.oid, 'usage')) end as oid) r
     where r.oid is not null
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
