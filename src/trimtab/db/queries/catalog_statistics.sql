/* trimtab: the extended-statistics objects of these tables ($1: oid[]). Expressions are hashed as they are stored, since
   printing them would lock the table; before version 14 there are none. */
select s.stxrelid as table_oid,
       n.nspname::text as schema,
       s.stxname::text as name,
       array(select a.attname::text
               from unnest(s.stxkeys::int2[]) with ordinality as c(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = c.number
              order by c.position) as columns,
       array(select case kind when 'd' then 'ndistinct' when 'f' then 'dependencies' when 'm' then 'mcv'
                              when 'e' then 'expressions' else kind::text end
               from unnest(s.stxkind) as kind) as kinds,
       encode(sha256(replace(concat_ws(' ', pg_catalog.pg_get_userbyid(s.stxowner), s.stxkeys, s.stxkind,
                                       nullif(s.stxstattarget, -1), pg_catalog.to_jsonb(s) ->> 'stxexprs'),
                             chr(92), repeat(chr(92), 2))::bytea), 'hex') as definition_sha256
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
 where s.stxrelid = any($1::oid[])
 order by s.stxrelid, n.nspname, s.stxname
