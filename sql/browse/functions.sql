-- One row per unified function of a partition with all that a list can be narrowed by; `$part` is the partition.
with pairs as (select function_id, count(*) as pairs, bool_or(is_degenerate) as degenerate from io_pairs group by 1),

right_tasks as (
    select function_id, count(*) filter (where status = 'correct') / count(*) as pass_rate
    from verdicts
    where status <> 'infrastructure'
    group by function_id
)

select
    $part as part,
    unified_functions.function_id as id,
    unified_functions.file_id,
    unified_functions.source,
    unified_functions.path,
    coalesce(unified_functions.license, '') as license,
    coalesce(unified_functions.repository, '') as repository,
    unified_functions.model_id as model,
    unified_functions.attempt,
    len(string_split(unified_functions.reference_code, e'\n')) as code_lines,
    coalesce(pairs.pairs, 0) as pairs,
    coalesce(right_tasks.pass_rate, -1) as pass_rate,
    if(len(unified_functions.query) > 160, left(unified_functions.query, 158) || ' …', unified_functions.query) as title,
    case
        when pairs.pairs > 0 then 'has pairs'
        else coalesce(io_pairs_rejections.reason, 'not sampled')
    end as fate
from unified_functions
left join pairs on unified_functions.function_id = pairs.function_id
left join right_tasks on unified_functions.function_id = right_tasks.function_id
left join io_pairs_rejections on unified_functions.function_id = io_pairs_rejections.id
order by id
