-- What further attempts win: files asked and functions won per attempt, and the share of all files that have a function by
-- then.
with files as (select count(distinct file_id) as total from transform_attempts)

select
    attempt,
    count(*) as files_asked,
    count(*) filter (where reason is null) as functions_won,
    round(count(*) filter (where reason is null) / count(*), 4) as share_won,
    round(
        sum(count(*) filter (where reason is null)) over (order by attempt) / (select total from files), 4
    ) as share_of_files_by_then
from transform_attempts
group by attempt
order by attempt
