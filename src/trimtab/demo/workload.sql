-- What the demo's shop runs. `trimtab optimize --workload FILE.sql` reads files like this one: one statement after the
-- other, above each its name and its weight, the number of executions that it stands for (in an hour of the shop's day).
--
-- A `-- traffic:` line is for the demo alone: it says which literals vary from call to call when the demo plays the
-- shop's traffic, and of which rows they are drawn.


-- Shop window: what every visitor causes.

-- name: customer_by_id
-- weight: 200
-- traffic: customer.id = 51254
SELECT id, email, full_name, city, segment, attributes FROM customers WHERE id = 51254 AND NOT is_deleted;

-- name: customer_by_email
-- weight: 120
-- traffic: customer.email = 'esme.hartwell.4211@shop.example'
SELECT id, full_name, segment, is_deleted FROM customers WHERE email = 'esme.hartwell.4211@shop.example';

-- name: product_by_sku
-- weight: 150
-- traffic: product.sku = 'SKU-021979'
SELECT id, name, brand, price_cents, attributes FROM products WHERE sku = 'SKU-021979' AND NOT is_deleted;

-- name: product_page
-- weight: 200
-- traffic: product.id = 21979
SELECT p.name, p.brand, p.price_cents, s.name AS supplier, sum(i.quantity - i.reserved) AS available
FROM products p
JOIN suppliers s ON s.id = p.supplier_id
LEFT JOIN inventory i ON i.product_id = p.id
WHERE p.id = 21979
GROUP BY p.id, s.id;

-- name: products_of_brand
-- weight: 40
-- traffic: product.brand = 'Noxbar'
SELECT id, sku, name, price_cents
FROM products
WHERE brand = 'Noxbar' AND NOT is_deleted
ORDER BY price_cents
LIMIT 24;

-- name: products_in_price_range
-- weight: 15
-- traffic: product.category = 'lamps'
SELECT id, name, price_cents, listed_at
FROM products
WHERE category = 'lamps' AND price_cents BETWEEN 1500 AND 2500 AND NOT is_deleted
ORDER BY listed_at DESC
LIMIT 24 OFFSET 48;

-- name: products_by_name_prefix
-- weight: 10
SELECT id, name, price_cents FROM products WHERE name LIKE 'copper oak%' ORDER BY name, id LIMIT 20;

-- name: products_by_attributes
-- weight: 5
SELECT id, name, price_cents
FROM products
WHERE attributes @> '{"colour": "teal", "material": "wool"}' AND NOT is_deleted
ORDER BY price_cents DESC, id
LIMIT 20;

-- name: product_reviews_latest
-- weight: 40
-- traffic: product.id = 16267
SELECT rating, title, body, created_at
FROM reviews
WHERE product_id = 16267 AND NOT is_deleted
ORDER BY created_at DESC
LIMIT 10;

-- name: product_rating
-- weight: 40
-- traffic: product.id = 20217
SELECT count(*) AS reviews, avg(rating) AS average FROM reviews WHERE product_id = 20217;

-- name: bought_together
-- weight: 2
-- traffic: product.id = 103
SELECT other.product_id, count(*) AS times
FROM order_items this
JOIN order_items other ON other.order_id = this.order_id AND other.product_id <> this.product_id
WHERE this.product_id = 103
GROUP BY other.product_id
ORDER BY times DESC, other.product_id
LIMIT 8;


-- The customer's own pages.

-- name: customer_recent_orders
-- weight: 60
-- traffic: customer.id = 11
SELECT id, status, total_cents, ordered_at
FROM orders
WHERE customer_id = 11 AND NOT is_deleted
ORDER BY ordered_at DESC
LIMIT 10;

-- name: customer_orders_page_three
-- weight: 8
-- traffic: customer.id = 721
SELECT id, status, total_cents, ordered_at
FROM orders
WHERE customer_id = 721 AND NOT is_deleted
ORDER BY ordered_at DESC
LIMIT 10 OFFSET 20;

-- name: order_with_lines
-- weight: 100
-- traffic: order.id = 199321
SELECT o.id, o.status, o.ordered_at, i.line_no, p.name, i.quantity, i.unit_price_cents
FROM orders o
JOIN order_items i ON i.order_id = o.id
JOIN products p ON p.id = i.product_id
WHERE o.id = 199321
ORDER BY i.line_no;

-- name: shipment_by_tracking_number
-- weight: 40
-- traffic: shipment.tracking_number = 'TNe90b44f21e0021ff'
SELECT id, carrier, shipped_at, promised_at, delivered_at
FROM shipments
WHERE tracking_number = 'TNe90b44f21e0021ff';

-- name: shipments_of_order
-- weight: 25
-- traffic: shipment.order_id = 96096
SELECT s.carrier, s.tracking_number, s.shipped_at, s.delivered_at, w.name AS warehouse
FROM shipments s
JOIN warehouses w ON w.id = s.warehouse_id
WHERE s.order_id = 96096;

-- name: customer_timeline
-- weight: 6
-- traffic: customer.id = 91
SELECT 'order' AS what, id, ordered_at AS at FROM orders WHERE customer_id = 91
UNION ALL
SELECT 'ticket', id, opened_at FROM support_tickets WHERE customer_id = 91
ORDER BY at DESC
LIMIT 30;

-- name: customer_last_seen_products
-- weight: 12
-- traffic: customer.id = 51254
SELECT occurred_at, product_id, kind
FROM events
WHERE customer_id = 51254 AND product_id IS NOT NULL
ORDER BY occurred_at DESC
LIMIT 20;


-- The shop's staff: queues, searches, look-ups.

-- name: newest_orders_page
-- weight: 20
SELECT id, customer_id, status, total_cents, ordered_at
FROM orders
WHERE ordered_at < '2025-12-20' AND NOT is_deleted
ORDER BY ordered_at DESC
LIMIT 50;

-- name: orders_to_pack
-- weight: 20
SELECT o.id, o.ordered_at, c.full_name, c.city
FROM orders o
JOIN customers c ON c.id = o.customer_id
WHERE o.status = 'paid' AND NOT o.is_deleted
ORDER BY o.ordered_at DESC
LIMIT 40;

-- name: largest_orders
-- weight: 4
SELECT id, customer_id, total_cents, ordered_at FROM orders ORDER BY total_cents DESC LIMIT 20;

-- name: tickets_to_answer
-- weight: 30
SELECT id, customer_id, topic, priority, opened_at
FROM support_tickets
WHERE state = 'open' AND NOT is_deleted
ORDER BY priority, opened_at
LIMIT 20;

-- name: tickets_of_customer
-- weight: 20
-- traffic: ticket.customer_id = 91
SELECT id, topic, state, opened_at, closed_at
FROM support_tickets
WHERE customer_id = 91 AND topic IN ('refund', 'delivery')
ORDER BY opened_at DESC;

-- name: oldest_very_late_shipments
-- weight: 10
SELECT id, order_id, carrier, tracking_number, label, shipped_at, promised_at, delivered_at
FROM shipments
WHERE delivered_at - promised_at > promised_at - shipped_at
ORDER BY shipped_at
LIMIT 20;

-- name: payment_by_reference
-- weight: 25
-- traffic: payment.provider_reference = 'b14dd9e09c206309'
SELECT id, order_id, state, amount_cents, paid_at FROM payments WHERE provider_reference = 'b14dd9e09c206309';

-- name: disputed_payments
-- weight: 4
SELECT id, order_id, method, amount_cents, paid_at
FROM payments
WHERE state = 'disputed'
ORDER BY paid_at DESC
LIMIT 20;

-- name: customers_of_city
-- weight: 8
-- traffic: customer.city = 'Dunton KE', customer.segment = 'business'
SELECT id, full_name, phone, last_seen_at
FROM customers
WHERE city = 'Dunton KE' AND segment = 'business' AND phone IS NOT NULL
ORDER BY last_seen_at DESC NULLS LAST
LIMIT 20;

-- name: customers_by_email_prefix
-- weight: 4
SELECT id, email, full_name FROM customers WHERE email LIKE 'mona.lark%' ORDER BY email LIMIT 20;

-- name: movement_by_tracking_code
-- weight: 60
-- traffic: movement.tracking_code = '3d7065baf052bf61'
SELECT id, product_id, warehouse_id, quantity, moved_at
FROM stock_movements
WHERE tracking_code = '3d7065baf052bf61';

-- name: movements_to_count
-- weight: 30
-- traffic: product.id = 274
SELECT warehouse_id, sum(quantity) AS moved
FROM stock_movements
WHERE product_id = 274 AND counted_on IS NULL
GROUP BY warehouse_id
ORDER BY warehouse_id;

-- name: damaged_goods
-- weight: 0.5
SELECT product_id, quantity, moved_at
FROM stock_movements
WHERE reason = 'damage' AND moved_at >= '2025-12-01'
ORDER BY moved_at DESC;

-- name: low_stock_of_warehouse
-- weight: 6
-- traffic: movement.warehouse_id = 5
SELECT p.sku, p.name, i.quantity, i.reserved
FROM inventory i
JOIN products p ON p.id = i.product_id
WHERE i.warehouse_id = 5 AND i.quantity < 2 AND NOT p.is_deleted
ORDER BY i.quantity, p.sku
LIMIT 50;


-- What happened: the append-only events.

-- name: session_trail
-- weight: 15
-- traffic: session.session_id = '003035310cdb1d5a'
SELECT occurred_at, kind, product_id, payload
FROM events
WHERE session_id = '003035310cdb1d5a'
ORDER BY occurred_at;

-- name: checkout_errors
-- weight: 12
SELECT occurred_at, session_id, payload ->> 'path' AS path
FROM events
WHERE kind = 'checkout_error' AND occurred_at >= '2025-11-20'
ORDER BY occurred_at DESC;

-- name: events_per_hour
-- weight: 4
SELECT date_trunc('hour', occurred_at) AS hour, kind, count(*) AS events
FROM events
WHERE occurred_at >= '2025-12-29' AND occurred_at < '2025-12-31'
GROUP BY hour, kind
ORDER BY hour, kind;

-- name: product_views_per_day
-- weight: 5
-- traffic: product.id = 274
SELECT date_trunc('day', occurred_at) AS day, count(*) AS views, count(DISTINCT session_id) AS sessions
FROM events
WHERE product_id = 274 AND kind = 'page_view'
GROUP BY day
ORDER BY day;

-- name: slow_checkouts_by_device
-- weight: 2
SELECT payload ->> 'device' AS device, count(*) AS checkouts,
       max((payload ->> 'took_ms')::integer) AS slowest_ms
FROM events
WHERE kind = 'checkout' AND occurred_at >= '2025-12-01'
GROUP BY device;

-- name: longest_sessions
-- weight: 4
SELECT session_id, count(product_id) AS products, count(customer_id) AS signed_in,
       count(*) FILTER (WHERE kind = 'checkout') AS checkouts, max(occurred_at) - min(occurred_at) AS duration
FROM events
WHERE occurred_at >= '2025-12-03'
GROUP BY session_id
ORDER BY duration DESC
LIMIT 20;


-- Reports: rare, and slow.

-- name: product_sales
-- weight: 12
-- traffic: product.id = 274
SELECT count(*) AS lines, sum(quantity) AS units, sum(quantity * unit_price_cents) AS revenue_cents
FROM order_items
WHERE product_id = 274;

-- name: storefront_revenue_by_category
-- weight: 5
-- traffic: order.storefront = 'isles', order.country = 'OS', order.currency = 'OSK', order.tax_zone = 'islands'
SELECT p.category, sum(i.quantity) AS units, sum(i.quantity * i.unit_price_cents) AS revenue_cents,
       count(*) FILTER (WHERE v.quantity > 100) AS lines_well_stocked
FROM orders o
JOIN order_items i ON i.order_id = o.id
JOIN products p ON p.id = i.product_id
LEFT JOIN inventory v ON v.product_id = p.id AND v.warehouse_id = 2
WHERE o.storefront = 'isles' AND o.country = 'OS' AND o.currency = 'OSK' AND o.tax_zone = 'islands'
  AND o.ordered_at >= '2025-09-01'
GROUP BY p.category
ORDER BY revenue_cents DESC;

-- name: revenue_by_month
-- weight: 1
SELECT date_trunc('month', ordered_at) AS month, count(*) AS orders, sum(total_cents) AS revenue_cents
FROM orders
WHERE status <> 'cancelled' AND NOT is_deleted
GROUP BY month
ORDER BY month;

-- name: brand_revenue_of_week
-- weight: 3
SELECT b.name, b.made_in, sum(i.quantity * i.unit_price_cents) AS revenue_cents
FROM orders o
JOIN order_items i ON i.order_id = o.id
JOIN products p ON p.id = i.product_id
JOIN brands b ON b.name = p.brand
JOIN categories k ON k.name = b.category
WHERE o.ordered_at >= '2025-12-01' AND o.ordered_at < '2025-12-08' AND k.department = 'outdoor'
GROUP BY b.name
ORDER BY revenue_cents DESC
LIMIT 10;

-- name: repeat_purchases
-- weight: 1
SELECT o.customer_id, i.product_id, count(*) AS times
FROM orders o
JOIN order_items i ON i.order_id = o.id
WHERE o.ordered_at >= '2025-07-01'
GROUP BY o.customer_id, i.product_id
ORDER BY times DESC, o.customer_id, i.product_id
LIMIT 20;

-- name: best_customers_by_country
-- weight: 1
WITH spent AS (
    SELECT customer_id, sum(total_cents) AS cents
    FROM orders
    WHERE ordered_at >= '2025-10-01' AND status = 'delivered'
    GROUP BY customer_id
), ranked AS (
    SELECT c.country, c.full_name, s.cents, rank() OVER (PARTITION BY c.country ORDER BY s.cents DESC) AS place
    FROM spent s
    JOIN customers c ON c.id = s.customer_id
)
SELECT country, place, full_name, cents FROM ranked WHERE place <= 3 ORDER BY country, place;

-- name: running_revenue
-- weight: 1
SELECT day, revenue_cents, sum(revenue_cents) OVER (ORDER BY day) AS running_cents
FROM (
    SELECT date_trunc('day', ordered_at) AS day, sum(total_cents) AS revenue_cents
    FROM orders
    WHERE ordered_at >= '2025-11-01' AND storefront = 'valdoria'
    GROUP BY day
) AS days
ORDER BY day;

-- name: priced_above_category_average
-- weight: 2
SELECT p.id, p.name, p.price_cents
FROM products p
WHERE p.category = 'desks'
  AND p.price_cents >= 10000
  AND p.price_cents > (SELECT 2 * avg(q.price_cents) FROM products q WHERE q.category = p.category)
ORDER BY p.price_cents DESC
LIMIT 20;

-- name: customers_who_never_ordered
-- weight: 1
SELECT c.country, count(*) AS customers
FROM customers c
WHERE c.signed_up_at < '2025-01-01' AND NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)
GROUP BY c.country
ORDER BY customers DESC;

-- name: resellers_with_large_orders
-- weight: 3
SELECT c.id, c.full_name, c.city
FROM customers c
WHERE c.segment = 'reseller'
  AND EXISTS (
    SELECT FROM orders o
    WHERE o.customer_id = c.id AND o.total_cents > 40000 AND o.ordered_at >= '2025-06-01'
  )
ORDER BY c.id
LIMIT 50;

-- name: products_never_reviewed
-- weight: 2
SELECT p.brand, count(*) AS products
FROM products p
LEFT JOIN reviews r ON r.product_id = p.id
WHERE r.id IS NULL AND NOT p.is_deleted
GROUP BY p.brand
ORDER BY products DESC, p.brand
LIMIT 10;

-- name: orders_with_endless_coupons
-- weight: 2
SELECT k.code, count(*) AS orders, sum(o.total_cents) AS revenue_cents
FROM orders o
JOIN coupons k ON k.id = o.coupon_id
WHERE o.coupon_id IN (SELECT id FROM coupons WHERE valid_until IS NULL) AND o.ordered_at >= '2025-09-01'
GROUP BY k.code
ORDER BY orders DESC, k.code
LIMIT 20;

-- name: carrier_delays
-- weight: 1
SELECT carrier, w.name AS warehouse, count(*) AS parcels, avg(delivered_at - promised_at) AS delay
FROM shipments s
JOIN warehouses w ON w.id = s.warehouse_id
WHERE delivered_at IS NOT NULL
GROUP BY carrier, w.name
ORDER BY delay DESC;

-- name: buyers_of_department
-- weight: 1
SELECT DISTINCT o.customer_id
FROM orders o
JOIN order_items i ON i.order_id = o.id
JOIN products p ON p.id = i.product_id
WHERE p.department = 'sound' AND o.ordered_at >= '2025-12-01'
ORDER BY o.customer_id
LIMIT 100;

-- name: ticket_topics
-- weight: 1
SELECT topic, count(*) AS tickets, avg(closed_at - opened_at) AS time_to_close
FROM support_tickets
WHERE NOT is_deleted
GROUP BY topic
HAVING count(*) > 10
ORDER BY tickets DESC;


-- Writes.

-- name: place_order
-- weight: 30
-- traffic: order.customer_id = 1234
INSERT INTO orders (customer_id, status, storefront, country, currency, tax_zone, total_cents, ordered_at)
VALUES (1234, 'pending', 'valdoria', 'VA', 'VAL', 'inner', 4990, '2026-01-01 08:00:00+00')
RETURNING id;

-- name: add_order_item
-- weight: 50
-- traffic: order.id = 4321, product.id = 274
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents)
VALUES (4321, 90, 274, 1, 1990)
ON CONFLICT (order_id, line_no) DO NOTHING;

-- name: record_event
-- weight: 150
-- traffic: product.id = 274, session.session_id = '003035310cdb1d5a'
INSERT INTO events (occurred_at, kind, session_id, product_id, payload)
VALUES ('2026-01-01 08:00:00+00', 'page_view', '003035310cdb1d5a', 274, '{"path": "/p/274", "device": "phone"}');

-- name: set_stock
-- weight: 40
-- traffic: product.id = 274
INSERT INTO inventory (product_id, warehouse_id, quantity, counted_at)
VALUES (274, 2, 40, '2026-01-01 08:00:00+00')
ON CONFLICT (product_id, warehouse_id) DO UPDATE
SET quantity = EXCLUDED.quantity, counted_at = EXCLUDED.counted_at;

-- name: touch_customer
-- weight: 60
-- traffic: customer.id = 51254
UPDATE customers SET last_seen_at = '2026-01-01 08:00:00+00' WHERE id = 51254;

-- name: close_ticket
-- weight: 10
-- traffic: ticket.id = 52
UPDATE support_tickets
SET state = 'closed', closed_at = '2026-01-01 08:00:00+00'
WHERE id = 52 AND state = 'open';

-- name: hide_review
-- weight: 4
-- traffic: review.id = 4711
UPDATE reviews SET is_deleted = true WHERE id = 4711;

-- name: move_stock
-- weight: 80
-- traffic: fresh.code = '7f3a1c9e5b2d8046', product.id = 274
INSERT INTO stock_movements (product_id, warehouse_id, quantity, reason, tracking_code, moved_at)
VALUES (274, 3, -1, 'sale', '7f3a1c9e5b2d8046', '2026-01-01 08:00:00+00');

-- name: book_delivery
-- weight: 20
-- traffic: movement.warehouse_id = 4
INSERT INTO stock_movements (product_id, warehouse_id, quantity, reason, tracking_code, moved_at)
SELECT product_id, warehouse_id, 24, 'delivery',
       substr(md5(product_id::text || warehouse_id::text), 1, 16), '2026-01-01 08:00:00+00'
FROM inventory
WHERE product_id BETWEEN 2000 AND 5000 AND warehouse_id = 4;

-- name: stocktake
-- weight: 20
UPDATE stock_movements SET counted_on = '2026-01-01' WHERE id BETWEEN 60001 AND 62000;
