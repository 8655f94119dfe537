-- The first held-out rows by id of each kind and direction of a training set; twice as many as are wanted, because a
-- prompt may be in both stages.
select * exclude (part)
from training_sets
where part = $partition and split = 'validation'
qualify row_number() over (partition by kind, direction order by coalesce(task_id, sample_id), stage) <= 2 * $wanted
