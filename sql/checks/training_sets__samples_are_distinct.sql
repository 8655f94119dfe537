-- No stage holds the same sample twice.
select stage, sample_id, count(*) as times
from training_sets
where part = $partition
group by stage, sample_id
having count(*) > 1
