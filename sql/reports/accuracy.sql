-- How many answers execution confirmed, by direction, source, model and turn.
-- `share` is that of the tasks asked at that turn; `share_so_far` that of all tasks right by then. Responses that the
-- machine lost (verdict `infrastructure`) are left out; the model is the one that was asked at turn 1.
with judged as (
    select prediction_id, task_id, source, direction, turn, status from verdicts
    union all
    select prediction_id, task_id, source, direction, turn, status from revised_verdicts
),

asked as (
    select judged.task_id, predictions.model_id
    from judged
    inner join predictions on judged.prediction_id = predictions.prediction_id
    where judged.turn = 1
),

counted as (
    select
        judged.direction,
        judged.source,
        asked.model_id,
        judged.turn,
        count(*) filter (where judged.status = 'correct') as correct,
        count(*) as total
    from judged
    inner join asked on judged.task_id = asked.task_id
    where judged.status <> 'infrastructure'
    group by judged.direction, judged.source, asked.model_id, judged.turn
)

select
    *,
    round(correct / total, 4) as share,
    cast(sum(correct) over turns as bigint) as correct_so_far,
    first_value(total) over turns as tasks,
    round(correct_so_far / tasks, 4) as share_so_far
from counted
window turns as (
    partition by direction, source, model_id
    order by turn
    rows between unbounded preceding and current row
)
order by direction, source, model_id, turn
