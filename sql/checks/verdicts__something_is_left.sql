-- Of the answers of a shard some hold a readable value, if there are at least `min_items`; otherwise how many there were.
with counted as (
    select
        count(*) as given,
        count(*) filter (where status <> 'no_answer') as kept
    from verdicts
    where part = $partition and status <> 'infrastructure'
)

select given, kept, round(kept / given, 4) as share
from counted
where given >= $min_items and kept = 0
