/* trimtab: what would a read do beside what its text calls by name? $1, $2: schemas ('' for none) and names of its
   relations; $3, $4: of its operators; $5, $6: of its types; $7: names of attributes, which functions can stand for.
   Rows are (what, name, text): 'foreign' tables; texts of a 'view' and of a 'policy' that the read would run; and
   'operator', 'type', 'attribute', 'cast', 'class' where a function would be called that is volatile or runs with
   its owner's rights. */
with recursive unsafe as materialized (
    select p.oid, p.proname, p.pronargs - p.pronargdefaults as least_arguments
      from pg_catalog.pg_proc p
     where p.provolatile = 'v' or p.prosecdef
), own as materialized (
    select oid from pg_catalog.pg_namespace where nspname in ('pg_catalog', 'information_schema', 'pg_toast')
), named as (
    select c.oid, c.relkind, c.relname, c.relnamespace
      from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name)
      join pg_catalog.pg_class c on c.relname = w.name
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_table_is_visible(c.oid))
), tree as (
    select oid, relkind, relname, relnamespace from named
    union
    select c.oid, c.relkind, c.relname, c.relnamespace
      from tree t
      join pg_catalog.pg_inherits i on i.inhparent = t.oid
      join pg_catalog.pg_class c on c.oid = i.inhrelid
), relations as materialized (
    select * from tree where relnamespace not in (select oid from own)
)
select 'foreign' as what, relname::text as name, '' as text from relations where relkind = 'f'
union all
select 'view', relname::text, pg_catalog.pg_get_viewdef(oid) from relations where relkind = 'v'
union all
select 'policy', r.relname::text, 'select ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
  from relations r
  join pg_catalog.pg_policy p on p.polrelid = r.oid and p.polcmd in ('r', '*') and p.polqual is not null
 where pg_catalog.row_security_active(r.oid)
union all
select 'operator', o.oprname::text, ''
  from rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])) as w(schema, name)
  join pg_catalog.pg_operator o on o.oprname = w.name
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  join unsafe u on u.oid = o.oprcode
 where o.oprnamespace not in (select oid from own)
   and (n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_operator_is_visible(o.oid)))
union all
select 'type', t.typname::text, ''
  from rows from (pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[])) as w(schema, name)
  join pg_catalog.pg_type t on t.typname = w.name
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
 where t.typnamespace not in (select oid from own)
   and (n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_type_is_visible(t.oid)))
   and exists (
       with recursive made(oid) as (
           select t.oid
           union
           select part.oid
             from made m
             join pg_catalog.pg_type whole on whole.oid = m.oid
             join pg_catalog.pg_type part
               on part.oid in (nullif(whole.typbasetype, 0), nullif(whole.typelem, 0))
               or part.oid in (select a.atttypid from pg_catalog.pg_attribute a
                                where a.attrelid = nullif(whole.typrelid, 0) and a.attnum > 0 and not a.attisdropped)
       )
       select from made m
         join pg_catalog.pg_constraint k on k.contypid = m.oid
         join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = k.oid
                                    and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
         join unsafe u on u.oid = d.refobjid)
union all
select 'attribute', u.proname::text, ''
  from pg_catalog.unnest($7::text[]) as w(name)
  join unsafe u on u.proname = w.name and u.least_arguments <= 1
  join pg_catalog.pg_proc p on p.oid = u.oid and p.pronamespace not in (select oid from own)
 where pg_catalog.pg_function_is_visible(u.oid)
union all
select 'cast', pg_catalog.format_type(c.casttarget, null), ''
  from pg_catalog.pg_cast c
  join unsafe u on u.oid = c.castfunc
  join pg_catalog.pg_proc p on p.oid = u.oid and p.pronamespace not in (select oid from own)
 where c.castcontext = 'i' or pg_catalog.cardinality($6::text[]) > 0
union all
select 'class', f.opfname::text, ''
  from pg_catalog.pg_amproc a
  join unsafe u on u.oid = a.amproc::pg_catalog.oid
  join pg_catalog.pg_opfamily f on f.oid = a.amprocfamily
  join pg_catalog.pg_am m on m.oid = f.opfmethod and m.amname in ('btree', 'hash')
