-- Every unified function has pairs or a rejection, and never both.
with ended as (
    select distinct function_id as id from io_pairs where part = $partition
    union all
    select id from io_pairs_rejections where part = $partition
),

counted as (select id, count(*) as times from ended group by id)

select
    coalesce(given.function_id, counted.id) as id,
    coalesce(counted.times, 0) as times
from (select function_id from unified_functions where part = $partition) as given
full outer join counted on given.function_id = counted.id
where counted.times is distinct from 1 or given.function_id is null
