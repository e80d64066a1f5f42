/* trimtab: these tables ($1: qualified names), their partitions or children, and their parents: the names under which a
   write may reach them */
with recursive given as (
    select pg_catalog.to_regclass(t.name)::oid as id from pg_catalog.unnest($1::text[]) as t(name)),
down as (
    select g.id from given g
    union select h.inhrelid from pg_catalog.pg_inherits h join down on h.inhparent = down.id),
up as (
    select g.id from given g
    union select h.inhparent from pg_catalog.pg_inherits h join up on h.inhrelid = up.id)
select n.nspname::text as schema, c.relname::text as name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.oid in (select id from down union select id from up)
