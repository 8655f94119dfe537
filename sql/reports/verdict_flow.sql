-- How the verdict on a task changes from turn to turn: one row per turn, verdict before and verdict after.
-- At turn 1 every task comes from `asked`; a task is asked again only when its answer was to blame, so correct ones end.
with judged as (
    select task_id, turn, status from verdicts
    union all
    select task_id, turn, status from revised_verdicts
)

select
    after.turn,
    coalesce(before.status, 'asked') as from_status,
    after.status as to_status,
    count(*) as rows
from judged as after
left join judged as before on after.task_id = before.task_id and after.turn = before.turn + 1
group by after.turn, from_status, to_status
order by after.turn, from_status, to_status
