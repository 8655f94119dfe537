-- At most the set share of requests failed (`max_failed_ratio` in codeio.yaml); otherwise those that did.
with asked as (select prediction_id as id, status, failure as failure from predictions where part = $partition)

select id, failure
from asked
where
    status = 'failed'
    and (select count(*) filter (where status = 'failed') > $max_failed_ratio * count(*) from asked)
