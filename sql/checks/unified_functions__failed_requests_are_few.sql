-- At most the set share of requests failed (`max_failed_ratio` in codeio.yaml); otherwise those that did.
with asked as (select attempt_id as id, status, detail as failure from transform_attempts where part = $partition)

select id, failure
from asked
where
    status = 'failed'
    and (select count(*) filter (where status = 'failed') > $max_failed_ratio * count(*) from asked)
