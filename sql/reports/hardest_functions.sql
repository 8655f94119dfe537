-- The functions whose tasks are answered worst: the twenty with the smallest share of tasks right at any turn.
-- Exceptions and timeouts count predicted inputs that the code did not survive, at all turns.
with judged as (
    select function_id, task_id, status from verdicts
    union all
    select function_id, task_id, status from revised_verdicts
),

tasks as (
    select
        function_id,
        task_id,
        bool_or(status = 'correct') as is_correct,
        count(*) filter (where status = 'exception') as exceptions,
        count(*) filter (where status in ('timeout', 'out_of_memory')) as timeouts
    from judged
    where status <> 'infrastructure'
    group by function_id, task_id
)

select
    tasks.function_id,
    unified_functions.source,
    unified_functions.path,
    count(*) as tasks,
    count(*) filter (where tasks.is_correct) as correct,
    round(count(*) filter (where tasks.is_correct) / count(*), 4) as share,
    cast(sum(tasks.exceptions) as bigint) as exceptions,
    cast(sum(tasks.timeouts) as bigint) as timeouts
from tasks
inner join unified_functions on tasks.function_id = unified_functions.function_id
group by tasks.function_id, unified_functions.source, unified_functions.path
order by share, exceptions desc, tasks desc, tasks.function_id
limit 20
