/* trimtab: subscriptions, without what they connect with: it holds passwords, and is never read */
select array[d.datname::text, s.subname::text] as key, pg_catalog.pg_get_userbyid(s.subowner)::text as owner,
       s.subenabled as is_enabled, s.subpasswordrequired as password_required, s.subrunasowner as runs_as_owner,
       s.subpublications as publications
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
