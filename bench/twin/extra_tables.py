"""Tables that the three databases get beside their own, for the kinds of index that their columns do not call for.

They hold arrays, tsvectors, ranges, points and correlated or padded columns, made from the database's own rows. No
query of a workload reads them. They are made without randomness, so that each run measures the same.
"""

EXTRA_TABLES = {
    "tpch": """
create table part_words as
    select p_partkey as part, string_to_array(p_name, ' ') as words, to_tsvector('english', p_name) as document,
           left(p_type, 12)::char(20) as padded
      from part order by p_partkey;
create table line_spans as
    select daterange(l_shipdate, l_receiptdate) as span, point(l_extendedprice::float, l_quantity::float) as place,
           l_shipdate as shipped, date_trunc('month', l_shipdate)::date as month,
           extract(year from l_shipdate)::int as year
      from lineitem where l_orderkey % 16 = 0 order by l_orderkey, l_linenumber;
""",
    "tpcds": """
create table item_text as
    select i_item_sk as item, i_item_desc as description, to_tsvector('english', coalesce(i_item_desc, '')) as document,
           array[i_brand_id, i_class_id, i_category_id, i_manufact_id] as codes
      from item order by i_item_sk;
""",
    "shop": """
create table product_tags as
    select id as product, array[(id * 7 % 97)::int, (id * 13 % 1009)::int, (id * 31 % 5021)::int] as tags,
           case when id % 5 = 0 then null else array[brand, category, department] end as labels
      from products order by id;
create table shipment_spans as
    select id as shipment, tstzrange(shipped_at, greatest(delivered_at, shipped_at)) as span,
           int8range(order_id, order_id + 10) as orders, to_tsvector('english', label) as document
      from shipments order by id;
""",
}
