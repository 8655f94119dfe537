-- What was dropped, by step and reason, the most frequent first, with some of the items; `$reason` and `$shard` narrow it
-- unless they are empty.
with every as (
    select 1 as place, 'raw_code_files' as step, id, part, reason, detail from raw_code_files_rejections
    union all
    select 2, 'eligible_code_files', id, part, reason, detail from eligible_code_files_rejections
    union all
    select 3, 'unified_functions', id, part, reason, detail from unified_functions_rejections
    union all
    select 4, 'io_pairs', id, part, reason, detail from io_pairs_rejections
    union all
    select 5, 'prediction_tasks', id, part, reason, detail from prediction_tasks_rejections
    union all
    select 6, 'instruction_data', id, part, reason, detail from instruction_data_rejections
    union all
    select 7, 'training_sets', id, part, reason, detail from training_sets_rejections
)

select
    step,
    reason,
    count(*) as rows,
    list_sort(list(distinct regexp_extract(detail, 'No module named ''(\w+)''', 1))
        filter (where reason = 'missing_package')) as packages,
    list({'id': id, 'part': part, 'detail': detail} order by part, id)[:200] as examples
from every
where ($reason = '' or reason = $reason) and ($shard = '' or part = $shard)
group by place, step, reason
order by place, rows desc, reason
