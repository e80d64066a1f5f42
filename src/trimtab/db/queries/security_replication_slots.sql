/* trimtab: replication slots that outlive a session: through a logical one data leaves the server */
select array[s.slot_name::text] as key, s.slot_type::text as kind, s.plugin::text as plugin, s.database::text as database
  from pg_catalog.pg_replication_slots s
 where not s.temporary
