-- Which records of the last 32 days did not fit the table of usage, why, and whose requests are they?
-- They are in no other answer. What cannot be read of a record is null; the record itself is kept for 90 days.
select
  dt,
  errorcode as error_code,
  errormessage as error_message,
  arrivaltimestamp as arrived_at_ms,
  nullif(regexp_extract(record, '"request_id":\s*"([^"]*)"', 1), '') as request_id,
  nullif(regexp_extract(record, '"tenant_id":\s*"([^"]*)"', 1), '') as tenant_id,
  cast(nullif(regexp_extract(record, '"cost_nano_usd":\s*([0-9]{1,16})', 1), '') as bigint) as cost_nano_usd,
  record
from (
  select *, from_utf8(from_base64(rawdata)) as record
  from rejected
  where dt >= date_format(current_date - interval '32' day, '%Y-%m-%d')
) as records
order by arrived_at_ms desc
limit 1000
