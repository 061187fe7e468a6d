-- Messages of {streams} streams in eight categories, between the second {begin} and {seconds} seconds later. Every
-- number is a hash of what it is for, so that another run makes the same messages.
CREATE FUNCTION pg_temp.share(of BIGINT, purpose BIGINT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(of, purpose) & 4294967295) / 4294967296.0::float8
$$;

SET work_mem = '256MB';

-- Short streams live for hours; one of 1,500 is an audit trail over all of the time.
CREATE TEMPORARY TABLE made_streams AS
SELECT n, category, md5('stream ' || n)::uuid::text AS id,
       CASE category WHEN 'audit' THEN 2000 ELSE 5 + floor(length * length * 36)::int END AS length,
       CASE category WHEN 'audit' THEN 0 ELSE begins * ({seconds} - lasts) END AS begins,
       CASE category WHEN 'audit' THEN {seconds} ELSE lasts END AS lasts
  FROM (SELECT n, pg_temp.share(n, 2) AS length, pg_temp.share(n, 3) AS begins,
               1800 + pg_temp.share(n, 4) * 21600 AS lasts,
               CASE WHEN n % 1500 = 0 THEN 'audit'
                    ELSE (ARRAY['order', 'order', 'order', 'order', 'order', 'order', 'order', 'payment', 'payment',
                                'payment', 'payment', 'payment', 'shipment', 'shipment', 'shipment', 'cart', 'cart',
                                'account', 'invoice', 'ticket'])[1 + floor(pg_temp.share(n, 1) * 20)::int]
               END AS category
          FROM generate_series(1::bigint, {streams}) AS n) AS streams;

INSERT INTO {schema}.messages (time, global_position, position, stream_name, type, data, metadata, id, category)
SELECT time, row_number() OVER (ORDER BY time, n, place),
       row_number() OVER (PARTITION BY n ORDER BY time, place) - 1,
       category || '-' || id,
       (ARRAY['Opened', 'ItemAdded', 'AmountChanged', 'Confirmed', 'Noted', 'Closed'])[1 + floor(share * 6)::int],
       jsonb_build_object(
           'orderId', id,
           'customerId', md5('customer ' || n % 5000)::uuid,
           'name', (ARRAY['Anna', 'Boris', 'Chiara', 'Daniel', 'Elif', 'Farid', 'Grace', 'Henrik'])[1 + n % 8]
               || ' ' || (ARRAY['Meyer', 'Novak', 'Rossi', 'Smith', 'Yilmaz', 'Haddad', 'Kim'])[1 + n % 7],
           'amount', round((3 + share * 900)::numeric, 2),
           'currency', (ARRAY['EUR', 'USD', 'GBP'])[1 + n % 3],
           'quantity', 1 + floor(share * 9),
           'sku', 'SKU-' || floor(pg_temp.share(one, 8) * 20000),
           'reference', 'INV-2026-' || lpad((n * 37 + place)::text, 8, '0')),
       jsonb_build_object(
           'correlationStreamName', 'checkout-' || md5('checkout ' || n / 3)::uuid,
           'causationMessageStreamName', category || '-' || id,
           'causationMessagePosition', place,
           'userId', 'user_' || n * 7919 % 5000),
       -- UUIDs of version 7, as the library makes them.
       overlay(overlay(
           lpad(to_hex((extract(epoch FROM time) * 1000)::bigint), 12, '0') || substr(md5('message ' || one), 1, 20)
           PLACING '7' FROM 13) PLACING '8' FROM 17)::uuid,
       category
  FROM (SELECT streams.*, place, one, pg_temp.share(one, 7) AS share,
               to_timestamp({begin} + begins + lasts * (place + pg_temp.share(one, 9)) / length) AS time
          FROM made_streams AS streams
         CROSS JOIN LATERAL generate_series(0, length - 1) AS place
         CROSS JOIN LATERAL (SELECT n * 100000 + place AS one)) AS messages
 ORDER BY time, n, place;

DROP TABLE made_streams;
