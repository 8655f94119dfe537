-- Of the answers of a shard at least the expected share holds a readable value (`yields`); otherwise how many do.
with counted as (
    select
        count(*) as given,
        count(*) filter (where status <> 'no_answer') as kept
    from verdicts
    where part = $partition and status <> 'infrastructure'
)

select given, kept, round(kept / given, 4) as share
from counted
where given >= $min_items and kept > 0 and kept < $yield_verdicts * given
