-- No near-duplicate group has samples on two sides of the split.
select group_id, count(distinct split) as sides
from training_sets
where part = $partition and group_id is not null
group by group_id
having count(distinct split) > 1
