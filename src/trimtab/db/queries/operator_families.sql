/* trimtab: the user's own families of B-tree and hash operator classes that another server may have: all of their
   operators and support functions are the user's own, in SQL or plpgsql, and take exactly the types that the family
   says; no class is the default of its type. What deviates from this could be given a value that it cannot read, or be
   called where nobody names it. */
with own_function as (
    select p.oid, p.proname, p.pronamespace, p.proargtypes::pg_catalog.oid[] as types, p.prorettype
      from pg_catalog.pg_proc p
      join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname in ('sql', 'plpgsql')
     where p.oid >= 16384
       and p.prokind = 'f'
       and not p.proretset
       and p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
       and not exists (select from pg_catalog.pg_depend e
                        where e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and e.objid = p.oid
                          and e.deptype = 'e')
), own_operator as (
    select o.oid, o.oprname, o.oprnamespace, o.oprleft, o.oprright
      from pg_catalog.pg_operator o
      join own_function p
        on p.oid = o.oprcode and p.types[0] = o.oprleft and p.types[1] = o.oprright
       and p.prorettype = 'pg_catalog.bool'::pg_catalog.regtype
     where o.oid >= 16384
       and o.oprkind = 'b'
       and o.oprresult = 'pg_catalog.bool'::pg_catalog.regtype
       and o.oprnamespace <> 'pg_catalog'::pg_catalog.regnamespace
       and not exists (select from pg_catalog.pg_depend e
                        where e.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and e.objid = o.oid
                          and e.deptype = 'e')
), named_type as (
    select t.oid, t.typname::text as name, n.nspname::text as schema
      from pg_catalog.pg_type t
      join pg_catalog.pg_namespace n on n.oid = t.typnamespace
     where t.typtype in ('b', 'e', 'c', 'r', 'm')
), family as (
    select f.oid, n.nspname::text as schema, f.opfname::text as name, m.amname::text as method
      from pg_catalog.pg_opfamily f
      join pg_catalog.pg_am m on m.oid = f.opfmethod and m.amname in ('btree', 'hash')
      join pg_catalog.pg_namespace n on n.oid = f.opfnamespace
     where f.oid >= 16384
       and n.nspname <> 'pg_catalog'
       and not exists (select from pg_catalog.pg_depend e
                        where e.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass and e.objid = f.oid
                          and e.deptype = 'e')
), class as (
    select c.opcfamily, n.nspname::text as schema, c.opcname::text as name, t.schema as type_schema, t.name as type,
           coalesce(t.oid is not null and c.oid >= 16384 and not c.opcdefault and c.opckeytype = 0
                    and n.nspname <> 'pg_catalog'
                    and not exists (select from pg_catalog.pg_depend e
                                     where e.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass
                                       and e.objid = c.oid and e.deptype = 'e')
                    and exists (select from pg_catalog.pg_amproc s
                                 where s.amprocfamily = c.opcfamily and s.amprocnum = 1
                                   and s.amproclefttype = c.opcintype and s.amprocrighttype = c.opcintype),
                    false) as is_harmless
      from pg_catalog.pg_opclass c
      join pg_catalog.pg_namespace n on n.oid = c.opcnamespace
      left join named_type t on t.oid = c.opcintype
), operator as (
    select a.amopfamily, a.amopstrategy::int as number, n.nspname::text as schema, o.oprname::text as name,
           l.schema as left_schema, l.name as left_type, r.schema as right_schema, r.name as right_type,
           o.oid is not null and l.oid is not null and r.oid is not null and a.amoppurpose = 's' as is_harmless
      from pg_catalog.pg_amop a
      left join own_operator o on o.oid = a.amopopr and o.oprleft = a.amoplefttype and o.oprright = a.amoprighttype
      left join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
      left join named_type l on l.oid = a.amoplefttype
      left join named_type r on r.oid = a.amoprighttype
), support as (
    select a.amprocfamily, a.amprocnum::int as number, n.nspname::text as schema, p.proname::text as name,
           l.schema as left_schema, l.name as left_type, r.schema as right_schema, r.name as right_type,
           p.oid is not null and l.oid is not null and r.oid is not null as is_harmless
      from pg_catalog.pg_amproc a
      join pg_catalog.pg_opfamily f on f.oid = a.amprocfamily
      join pg_catalog.pg_am m on m.oid = f.opfmethod
      left join own_function p
        on p.oid = a.amproc
       and case m.amname::text || a.amprocnum
           when 'btree1' then pg_catalog.array_length(p.types, 1) = 2
                          and p.types[0] = a.amproclefttype and p.types[1] = a.amprocrighttype
                          and p.prorettype = 'pg_catalog.int4'::pg_catalog.regtype
           when 'hash1' then pg_catalog.array_length(p.types, 1) = 1
                         and p.types[0] = a.amproclefttype and a.amproclefttype = a.amprocrighttype
                         and p.prorettype = 'pg_catalog.int4'::pg_catalog.regtype
           when 'hash2' then pg_catalog.array_length(p.types, 1) = 2
                         and p.types[0] = a.amproclefttype and a.amproclefttype = a.amprocrighttype
                         and p.types[1] = 'pg_catalog.int8'::pg_catalog.regtype
                         and p.prorettype = 'pg_catalog.int8'::pg_catalog.regtype
           else false end
      left join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      left join named_type l on l.oid = a.amproclefttype
      left join named_type r on r.oid = a.amprocrighttype
)
select f.schema, f.name, f.method,
       (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(c.schema, c.name, c.type_schema, c.type)
                                    order by c.schema collate "C", c.name collate "C")
          from class c where c.opcfamily = f.oid) as classes,
       (select coalesce(pg_catalog.jsonb_agg(
                   pg_catalog.jsonb_build_array(o.number, o.schema, o.name, o.left_schema, o.left_type,
                                                o.right_schema, o.right_type)
                   order by o.left_schema collate "C", o.left_type collate "C", o.right_schema collate "C",
                            o.right_type collate "C", o.number), '[]')
          from operator o where o.amopfamily = f.oid) as operators,
       (select coalesce(pg_catalog.jsonb_agg(
                   pg_catalog.jsonb_build_array(s.number, s.schema, s.name, s.left_schema, s.left_type,
                                                s.right_schema, s.right_type)
                   order by s.left_schema collate "C", s.left_type collate "C", s.right_schema collate "C",
                            s.right_type collate "C", s.number), '[]')
          from support s where s.amprocfamily = f.oid) as functions
  from family f
 where (select pg_catalog.bool_and(c.is_harmless) from class c where c.opcfamily = f.oid)
   and coalesce((select pg_catalog.bool_and(o.is_harmless) from operator o where o.amopfamily = f.oid), true)
   and coalesce((select pg_catalog.bool_and(s.is_harmless) from support s where s.amprocfamily = f.oid), true)
 order by 1, 2, 3
