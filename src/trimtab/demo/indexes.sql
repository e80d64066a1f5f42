-- What the shop already has beside its primary and unique keys: built after the load. One statement each.

ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE order_items ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE orders ADD FOREIGN KEY (coupon_id) REFERENCES coupons;
ALTER TABLE payments ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE shipments ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE shipments ADD FOREIGN KEY (warehouse_id) REFERENCES warehouses;
ALTER TABLE reviews ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE reviews ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE inventory ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE inventory ADD FOREIGN KEY (warehouse_id) REFERENCES warehouses;
ALTER TABLE support_tickets ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE customers ADD FOREIGN KEY (city) REFERENCES cities;
ALTER TABLE products ADD FOREIGN KEY (brand) REFERENCES brands;
ALTER TABLE products ADD FOREIGN KEY (category) REFERENCES categories;
ALTER TABLE products ADD FOREIGN KEY (supplier_id) REFERENCES suppliers;

ALTER TABLE customers ADD UNIQUE (email);

CREATE INDEX events_occurred_at_idx ON events (occurred_at);
CREATE INDEX orders_ordered_at_idx ON orders (ordered_at);
CREATE INDEX products_category_idx ON products (category);

-- Grown over the years: the second repeats the first, and the fourth serves all that the third can.
CREATE INDEX stock_movements_tracking_idx ON stock_movements (tracking_code);
CREATE INDEX stock_movements_tracking_code_idx ON stock_movements (tracking_code);
CREATE INDEX stock_movements_product_idx ON stock_movements (product_id);
CREATE INDEX stock_movements_product_counted_idx ON stock_movements (product_id, counted_on);
