/* trimtab: the columns that a label or a comment calls personal or sensitive */
select array[n.nspname::text, c.relname::text, a.attname::text] as key,
       array_agg(distinct s.source order by s.source) as told_by
  from (select l.classoid, l.objoid, l.objsubid, 'label' as source, l.label as text from pg_catalog.pg_seclabel l
        union all
        select d.classoid, d.objoid, d.objsubid, 'comment', d.description from pg_catalog.pg_description d
         where d.objsubid > 0) s
  join pg_catalog.pg_class c on c.oid = s.objoid and s.classoid = 'pg_catalog.pg_class'::regclass
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = s.objsubid
 where s.objsubid > 0 and s.text ~* '\m(pii|personal|sensitive|confidential|secret|mask|masked|gdpr|phi|pci)\M'
 group by 1
