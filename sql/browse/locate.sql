-- The page that shows an item whose id is in no list: of a pair, an answer or a verdict its task, of a sample its task or
-- its conversation. `$id` may be the beginning of the id.
select 'task' as kind, task_id as id, part from prediction_tasks where starts_with(pair_id, $id)
union
select 'task', task_id, part from predictions where starts_with(prediction_id, $id)
union
select 'task', task_id, part from revised_predictions where starts_with(prediction_id, $id)
union
select 'task', task_id, part from verdicts where starts_with(verdict_id, $id)
union
select 'task', task_id, part from revised_verdicts where starts_with(verdict_id, $id)
union
select if(task_id is null, 'sample', 'task'), coalesce(task_id, sample_id), ''
from training_sets where starts_with(sample_id, $id)
union
select 'sample', sample_id, '' from instruction_data where starts_with(sample_id, $id)
order by kind, id
limit 20
