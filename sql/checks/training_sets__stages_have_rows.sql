-- Every stage of the recipe has rows to train on, also when the set is empty.
with trained as (
    select stage, count(*) as train_rows
    from training_sets
    where part = $partition and split = 'train'
    group by stage
)

select wanted.stage, 0 as train_rows
from (select unnest($stages::bigint[]) as stage) as wanted
anti join trained on wanted.stage = trained.stage
order by wanted.stage
