/* trimtab: the rules of pg_hba.conf in their order; of their options only the names, since they may hold passwords */
select array[row_number() over (order by h.rule_number nulls last, h.line_number)::text] as key,
       h.type, h.database as databases, h.user_name as users, h.address, h.netmask, h.auth_method as method,
       array(select split_part(o, '=', 1) from unnest(h.options) o order by 1) as options,
       h.error is not null as has_error
  from pg_catalog.pg_hba_file_rules h
