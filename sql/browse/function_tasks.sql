-- The tasks of a function, `$value`, with their first and last verdicts, in the order of its pairs.
with revised as (select task_id, arg_max(status, turn) as status from revised_verdicts group by task_id)

select
    tasks.task_id,
    tasks.direction,
    verdicts.status,
    revised.status as revised,
    io_pairs.pair_index
from prediction_tasks as tasks
left join verdicts on tasks.task_id = verdicts.task_id
left join revised on tasks.task_id = revised.task_id
left join io_pairs on tasks.pair_id = io_pairs.pair_id
where tasks.function_id = $value
order by io_pairs.pair_index, tasks.direction, tasks.task_id
