-- Every pair ends as two tasks or rejections, one per direction.
with given as (select 2 * count(*) as expected from io_pairs where part = $partition),

tasks as (select count(*) as tasks from prediction_tasks where part = $partition),

rejected as (select count(*) as rejected from prediction_tasks_rejections where part = $partition)

select given.expected, tasks.tasks, rejected.rejected
from given, tasks, rejected
where given.expected <> tasks.tasks + rejected.rejected
