/* trimtab: what would a read do beside what its text calls by name? $1, $2: schemas ('' for none) and names of its
   relations; $3, $4: of its operators; $5, $6: of its functions; $7, $8: of its types; $9: attributes of what is not
   known, which functions can stand for; $10: those of rows; $11, $12, $13: schema and name of a relation, and the
   attribute of it. $14: does it make values of types that stand in strings? $15: functions of PostgreSQL's that are
   volatile and harmless.

   What is unsafe is a function of the database's own that is volatile, runs with its owner's rights or as another role,
   and whatever depends on one: defaults of arguments, aggregates, operators, casts, checks of domains, ranges, views,
   policies. Rows are (what, name, text): 'foreign' where a foreign table is read, 'view' and 'policy' with a text that
   the read would run, and a kind of object where one would be used that is unsafe. */
with recursive own as materialized (
    select oid from pg_catalog.pg_namespace where nspname in ('pg_catalog', 'information_schema', 'pg_toast')
), risky as materialized (
    select p.oid, p.pronamespace
      from pg_catalog.pg_proc p
     where (p.provolatile = 'v' or p.prosecdef
            or exists (select from pg_catalog.unnest(p.proconfig) as c(setting)
                        where c.setting ~ '^(role|session_authorization)='))
       and not (p.pronamespace in (select oid from own) and p.proname = any ($15::text[]))
), start(classid, objid, why) as (
    select 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, oid, 'unsafe'
      from risky where pronamespace not in (select oid from own)
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, a.aggfnoid::pg_catalog.oid, 'unsafe'
      from pg_catalog.pg_aggregate a
      join pg_catalog.pg_proc p on p.oid = a.aggfnoid and p.pronamespace not in (select oid from own)
      join risky r on r.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    union all
    select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, 'unsafe'
      from pg_catalog.pg_operator o join risky r on r.oid = o.oprcode
     where o.oprnamespace not in (select oid from own)
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, g.rngtypid, 'unsafe'
      from pg_catalog.pg_range g join risky r on r.oid in (g.rngsubdiff, g.rngcanonical)
    union all  -- of what is PostgreSQL's own there are no dependencies: it stands in the expressions
    select 'pg_catalog.pg_type'::pg_catalog.regclass, k.contypid, 'unsafe'
      from pg_catalog.pg_constraint k
     where k.contypid <> 0
       and exists (select from pg_catalog.regexp_matches(k.conbin::text, ':(?:op)?funcid (\d+)', 'g') as called
                     join risky r on r.oid = called[1]::pg_catalog.oid)
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'unsafe'
      from pg_catalog.pg_proc p
     where p.proargdefaults is not null and p.pronamespace not in (select oid from own)
       and exists (select from pg_catalog.regexp_matches(p.proargdefaults::text, ':(?:op)?funcid (\d+)', 'g') as called
                     join risky r on r.oid = called[1]::pg_catalog.oid)
    union all
    select 'pg_catalog.pg_class'::pg_catalog.regclass, oid, 'foreign' from pg_catalog.pg_class where relkind = 'f'
), bad(classid, objid, why) as (
    select classid, objid, why from start
    union
    select further.classid, further.objid, bad.why
      from bad
     cross join lateral (
        select d.classid, d.objid
          from pg_catalog.pg_depend d
         where d.refclassid = bad.classid and d.refobjid = bad.objid and d.deptype in ('n', 'a', 'i')
           -- The rows of a view are no values that it makes.
           and (d.refclassid, d.classid) <> ('pg_catalog.pg_class'::pg_catalog.regclass,
                                             'pg_catalog.pg_type'::pg_catalog.regclass)
           and d.classid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
                             'pg_catalog.pg_cast'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass,
                             'pg_catalog.pg_constraint'::pg_catalog.regclass,
                             'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass)
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, k.contypid
          from pg_catalog.pg_constraint k
         where bad.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = bad.objid and k.contypid <> 0
        union all
        select 'pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class
          from pg_catalog.pg_rewrite r
          join pg_catalog.pg_class c on c.oid = r.ev_class and c.relkind = 'v'
         where bad.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = bad.objid and r.ev_type = '1'
        union all
        select 'pg_catalog.pg_class'::pg_catalog.regclass, p.polrelid
          from pg_catalog.pg_policy p
         where bad.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and p.oid = bad.objid
           and p.polcmd in ('r', '*')
        union all
        select 'pg_catalog.pg_class'::pg_catalog.regclass, i.inhparent
          from pg_catalog.pg_inherits i
         where bad.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and i.inhrelid = bad.objid
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, c.reltype
          from pg_catalog.pg_depend d
          join pg_catalog.pg_class c on c.oid = d.objid and c.relkind in ('c', 'r', 'p', 'f')
         where bad.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.refclassid = bad.classid
           and d.refobjid = bad.objid and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        union all  -- the planner asks these in the other's place
        select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid
          from pg_catalog.pg_operator o
         where bad.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and bad.objid in (o.oprcom, o.oprnegate)
     ) as further(classid, objid)
), bad_functions as materialized (
    select objid as oid from bad where classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and why = 'unsafe'
), bad_types as materialized (
    select objid as oid from bad where classid = 'pg_catalog.pg_type'::pg_catalog.regclass and why = 'unsafe'
), relations as materialized (
    select c.oid, c.relkind, c.relname, w.schema, w.name
      from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name)
      join pg_catalog.pg_class c on c.relname = w.name and c.relnamespace not in (select oid from own)
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_table_is_visible(c.oid))
), attributes as materialized (
    select name, false as is_of_row from pg_catalog.unnest($9::text[]) as w(name)
    union
    select name, true from pg_catalog.unnest($10::text[]) as w(name)
    union
    select w.attribute, true
      from rows from (pg_catalog.unnest($11::text[]), pg_catalog.unnest($12::text[]), pg_catalog.unnest($13::text[]))
           as w(schema, name, attribute)
     where not exists (select from relations r join pg_catalog.pg_attribute a on a.attrelid = r.oid
                        where r.schema = w.schema and r.name = w.name and a.attname = w.attribute
                          and not a.attisdropped)
), named_types as materialized (
    select t.oid, t.typname
      from (select schema, name
              from rows from (pg_catalog.unnest($7::text[]), pg_catalog.unnest($8::text[])) as w(schema, name)
            union all
            select schema, name
              from rows from (pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[])) as w(schema, name)
            union all
            select '', name from attributes) w
      join pg_catalog.pg_type t on t.typname = w.name
      join pg_catalog.pg_namespace n on n.oid = t.typnamespace
     where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_type_is_visible(t.oid))
)
select case b.why when 'foreign' then 'foreign' else 'relation' end as what, r.relname::text as name, '' as text
  from relations r join bad b on b.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and b.objid = r.oid
union all
select 'view', relname::text, pg_catalog.pg_get_viewdef(oid) from relations where relkind = 'v'
union all
select 'policy', r.relname::text, 'select ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
  from relations r
  join pg_catalog.pg_policy p on p.polrelid = r.oid and p.polcmd in ('r', '*') and p.polqual is not null
union all
select 'type', t.typname::text, ''
  from relations r
  join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid and t.typtype <> 'd'
  join bad_types b on b.oid = t.oid
union all
select 'operator', o.oprname::text, ''
  from rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])) as w(schema, name)
  join pg_catalog.pg_operator o on o.oprname = w.name
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
 where (n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_operator_is_visible(o.oid)))
   and (exists (select from bad b
                 where b.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and b.objid = o.oid)
        -- One that is named with its schema is PostgreSQL's, or an extension's.
        or (w.schema <> '' and o.oprnamespace not in (select oid from own)
            and not exists (select from pg_catalog.pg_depend e
                             where e.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and e.objid = o.oid
                               and e.deptype = 'e')))
union all
select 'function', p.proname::text, ''
  from rows from (pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[])) as w(schema, name)
  join pg_catalog.pg_proc p on p.proname = w.name
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join bad_functions b on b.oid = p.oid
 where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_function_is_visible(p.oid))
union all
select 'type', t.typname::text, '' from named_types t join bad_types b on b.oid = t.oid
union all
select 'type', pg_catalog.format_type(oid, null), '' from bad_types where $14::boolean
union all
select 'attribute', p.proname::text, ''
  from attributes w
  join pg_catalog.pg_proc p on p.proname = w.name and p.pronargs > 0 and p.pronargs - p.pronargdefaults <= 1
  join bad_functions b on b.oid = p.oid
  join pg_catalog.pg_type t on t.oid = p.proargtypes[0] and (t.typtype in ('c', 'p') or not w.is_of_row)
 where pg_catalog.pg_function_is_visible(p.oid)
union all
select 'cast', pg_catalog.format_type(c.casttarget, null), ''
  from pg_catalog.pg_cast c
 where (c.castfunc in (select oid from bad_functions)
        or c.castfunc in (select oid from risky) and c.oid >= 16384)
   -- to_json and the like, and || with a text, look for these two by themselves
   and (c.castcontext = 'i' or c.casttarget in ('json'::pg_catalog.regtype, 'text'::pg_catalog.regtype)
        or c.casttarget in (select oid from named_types))
union all
select 'class', f.opfname::text, ''
  from pg_catalog.pg_amproc a
  join bad_functions b on b.oid = a.amproc::pg_catalog.oid
  join pg_catalog.pg_opfamily f on f.oid = a.amprocfamily
  join pg_catalog.pg_am m on m.oid = f.opfmethod and m.amname in ('btree', 'hash')
