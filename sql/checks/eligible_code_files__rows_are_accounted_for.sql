-- Every row of raw_code_files is a row of eligible_code_files or a rejection, and never both.
with ended as (
    select file_id as id from eligible_code_files where part = $partition
    union all
    select id from eligible_code_files_rejections where part = $partition
),

counted as (select id, count(*) as times from ended group by id)

select
    coalesce(given.file_id, counted.id) as id,
    coalesce(counted.times, 0) as times
from (select file_id from raw_code_files where part = $partition) as given
full outer join counted on given.file_id = counted.id
where counted.times is distinct from 1 or given.file_id is null
