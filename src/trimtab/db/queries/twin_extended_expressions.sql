/* trimtab: the statistics of expressions of extended statistics: there are none before version 14 */
select ''::text as schema, ''::text as name, false as is_inherited, null::float4, null::int, null::float4, null::float4,
       null::text, null::text, null::text, null::text, null::text, null::text
 where false
