-- No function has samples on two sides of the split.
select function_id, count(distinct split) as sides
from training_sets
where part = $partition and function_id is not null
group by function_id
having count(distinct split) > 1
