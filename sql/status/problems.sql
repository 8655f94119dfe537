-- What is wrong now, oldest first: partitions whose last run failed (at their first asset that failed), checks that fail;
-- then warnings.
with ranked as (
    select
        problems.*,
        row_number() over (partition by problems.kind, problems.partition, problems.what order by stages.position) as nth
    from problems
    inner join stages on problems.asset = stages.asset
)

select since, kind, asset, partition, what, run_id
from ranked
where nth = 1 or kind <> 'run'
order by kind = 'warning', since, asset, partition, what
