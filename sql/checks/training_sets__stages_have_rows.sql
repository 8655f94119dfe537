-- Every stage of the recipe has rows to train on.
select stage, count(*) filter (where split = 'train') as train_rows
from training_sets
where part = $partition
group by stage
having count(*) filter (where split = 'train') = 0
