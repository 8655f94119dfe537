-- What each step dropped and why: one row per step, source and reason code.
-- The share is that of all items the step was given from the source; what it kept and what it dropped add up to them.
with rejected as (
    select 'raw_code_files' as step, * from raw_code_files_rejections
    union all
    select 'eligible_code_files', * from eligible_code_files_rejections
    union all
    select 'unified_functions', * from unified_functions_rejections
    union all
    select 'io_pairs', * from io_pairs_rejections
    union all
    select 'prediction_tasks', * from prediction_tasks_rejections
    union all
    select 'instruction_data', * from instruction_data_rejections
    union all
    select 'training_sets', * from training_sets_rejections
),

kept as (
    select 'raw_code_files' as step, source, count(*) as n from raw_code_files group by source
    union all
    select 'eligible_code_files', source, count(*) from eligible_code_files group by source
    union all
    select 'unified_functions', source, count(*) from unified_functions group by source
    union all
    select 'io_pairs', source, count(distinct function_id) from io_pairs group by source
    union all
    select 'prediction_tasks', source, count(*) from prediction_tasks group by source
    union all
    select 'instruction_data', source, count(*) from instruction_data group by source
    union all
    select 'training_sets', source, count(*) from training_sets group by source
),

given as (
    select step, source, cast(sum(n) as bigint) as n
    from (select * from kept union all select step, source, count(*) from rejected group by step, source)
    group by step, source
),

flow as (
    select *
    from (
        values
        ('raw_code_files', 1), ('eligible_code_files', 2), ('unified_functions', 3), ('io_pairs', 4),
        ('prediction_tasks', 5), ('instruction_data', 6), ('training_sets', 7)
    ) as listed (step, place)
)

select
    rejected.step,
    rejected.source,
    rejected.reason,
    count(*) as rows,
    any_value(given.n) as items_in,
    round(count(*) / any_value(given.n), 4) as share
from rejected
inner join given on rejected.step = given.step and rejected.source = given.source
inner join flow on rejected.step = flow.step
group by flow.place, rejected.step, rejected.source, rejected.reason
order by flow.place, rows desc, rejected.source, rejected.reason
