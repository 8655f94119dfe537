-- The funnel of each shard: rows per step, to find the shard that differs.
with counted as (
    select part, 'raw_files' as step, count(*) as n from raw_code_files group by part
    union all
    select part, 'eligible_files', count(*) from eligible_code_files group by part
    union all
    select part, 'functions', count(*) from unified_functions group by part
    union all
    select part, 'pairs', count(*) from io_pairs group by part
    union all
    select part, 'tasks', count(*) from prediction_tasks group by part
    union all
    select part, 'correct_turn_1', count(*) from verdicts where status = 'correct' and turn = 1 group by part
    union all
    select part, 'correct_by_revision', count(*) from revised_verdicts where status = 'correct' group by part
)

select
    part as shard,
    cast(coalesce(sum(n) filter (where step = 'raw_files'), 0) as bigint) as raw_files,
    cast(coalesce(sum(n) filter (where step = 'eligible_files'), 0) as bigint) as eligible_files,
    cast(coalesce(sum(n) filter (where step = 'functions'), 0) as bigint) as functions,
    cast(coalesce(sum(n) filter (where step = 'pairs'), 0) as bigint) as pairs,
    cast(coalesce(sum(n) filter (where step = 'tasks'), 0) as bigint) as tasks,
    cast(coalesce(sum(n) filter (where step = 'correct_turn_1'), 0) as bigint) as correct_turn_1,
    cast(coalesce(sum(n) filter (where step = 'correct_by_revision'), 0) as bigint) as correct_by_revision
from counted
group by part
order by part
