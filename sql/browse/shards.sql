-- One row per shard of the index: how much is left after each step, and how much of it is right. Shares are of all tasks
-- that were judged, at turn 1 and at last.
with every as (
    select part, count(*) as files, count(*) filter (where fate = 'function') as functions, 0 as tasks, 0 as judged,
        0 as first_right, 0 as last_right from files group by part
    union all
    select part, 0, 0, count(*),
        count(*) filter (where first_status not in ('not asked', 'infrastructure')),
        count(*) filter (where first_status = 'correct'), count(*) filter (where is_right)
    from tasks group by part
)

select
    part,
    sum(files)::bigint as files,
    sum(functions)::bigint as functions,
    sum(tasks)::bigint as tasks,
    if(sum(judged) > 0, sum(first_right) / sum(judged), null) as first,
    if(sum(judged) > 0, sum(last_right) / sum(judged), null) as last
from every
group by part
order by part
