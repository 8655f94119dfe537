-- Every task has exactly one prediction of turn 1.
select
    coalesce(tasks.task_id, predicted.task_id) as task_id,
    predicted.times
from (select task_id from prediction_tasks where part = $partition) as tasks
full outer join (
    select task_id, count(*) as times from predictions where part = $partition and turn = 1 group by task_id
) as predicted on tasks.task_id = predicted.task_id
where predicted.times is distinct from 1 or tasks.task_id is null
