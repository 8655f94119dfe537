-- What became of each sample between two builds of a training set, and why, counted per stage.
-- The tables `*_before` and `*_after` are made by codeio_assets/products/diff.py.
with matched as (
    select
        coalesce(old.stage, new.stage) as stage,
        coalesce(old.item, new.item) as item,
        old.sample_id as old_id,
        new.sample_id as new_id,
        old.final_status as old_status,
        new.final_status as new_status,
        coalesce(old.function_id, new.function_id) as function_id,
        coalesce(old.task_id, new.task_id) as task_id
    from samples_before as old
    full outer join samples_after as new on old.stage = new.stage and old.item = new.item
),

explained as (
    select
        matched.stage,
        matched.item,
        case
            when old_id = new_id then 'same'
            when old_id is null then 'new'
            when new_id is null then 'gone'
            else 'changed'
        end as what,
        case
            when old_id = new_id then 'nothing changed'
            when old_id is not null and new_id is not null and old_status is distinct from new_status
                then 'verdict ' || old_status || ' became ' || new_status
            when old_id is not null and new_id is not null then 'the text of a turn or its feedback changed'
            when old_id is null and rejected_before.reason is not null then 'was left out: ' || rejected_before.reason
            when new_id is null and rejected_after.reason is not null then 'is left out: ' || rejected_after.reason
            when matched.task_id is null and old_id is null then 'new conversation'
            when matched.task_id is null then 'the conversation is no longer there'
            when old_id is null and functions_before.function_id is null then 'new function'
            when old_id is null and tasks_before.task_id is null then 'new pair or prompt of a known function'
            when old_id is null then 'the task has been answered since'
            when functions_after.function_id is null then 'its function is no longer there'
            when tasks_after.task_id is null then 'its pair or prompt is no longer there'
            else 'its answer is no longer there'
        end as why
    from matched
    left join rejected_before on matched.stage = rejected_before.stage and matched.item = rejected_before.item
    left join rejected_after on matched.stage = rejected_after.stage and matched.item = rejected_after.item
    left join functions_before on matched.function_id = functions_before.function_id
    left join functions_after on matched.function_id = functions_after.function_id
    left join tasks_before on matched.task_id = tasks_before.task_id
    left join tasks_after on matched.task_id = tasks_after.task_id
)

select what, why, stage, count(*) as count, min(item) as example
from explained
group by what, why, stage
order by what <> 'same', what, count desc, why, stage
