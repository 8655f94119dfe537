-- No task or conversation is both a sample and a rejection of a stage, or rejected twice.
with ended as (
    select stage, coalesce(task_id, sample_id) as id from training_sets where part = $partition
    union all
    select cast(regexp_extract(detail, '^stage (\d)', 1) as bigint), id
    from training_sets_rejections
    where part = $partition and starts_with(detail, 'stage ')
)

select stage, id, count(*) as times
from ended
group by stage, id
having count(*) > 1
order by stage, id
