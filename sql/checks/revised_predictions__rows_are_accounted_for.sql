-- Every revised prediction follows a verdict against the turn before it, and has exactly one verdict of its own.
with judged as (
    select task_id, turn, status from verdicts where part = $partition
    union all
    select task_id, turn, status from revised_verdicts where part = $partition
)

select revised.prediction_id, revised.task_id, revised.turn
from (select * from revised_predictions where part = $partition) as revised
left join judged as before on revised.task_id = before.task_id and revised.turn = before.turn + 1
left join judged as own on revised.task_id = own.task_id and revised.turn = own.turn
where
    before.status is null
    or before.status in ('correct', 'infrastructure')
    or own.status is null
