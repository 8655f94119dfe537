-- How far each asset is: partitions made, failed and not made yet, rows, the share of items kept, and CPU hours.
-- A partition that failed counts at the first asset that failed; what would have followed is not made yet.
with failed as (
    select problems.partition, min(stages.position) as position
    from problems
    inner join stages on problems.asset = stages.asset
    where problems.kind = 'run'
    group by problems.partition
),

counted as (
    select
        manifests.asset,
        count(*) filter (where failed.partition is null) as done,
        sum(manifests.rows) as rows,
        sum(manifests.items_in) as items_in,
        sum(manifests.items_out) as items_out,
        sum(manifests.cpu_time_s) as cpu_time_s
    from manifests
    inner join stages on manifests.asset = stages.asset
    left join failed on manifests.partition = failed.partition and stages.position = failed.position
    group by manifests.asset
)

select
    stages.position,
    stages.asset,
    stages.partitions,
    stages.expected,
    coalesce(counted.done, 0) as done,
    (select count(*) from failed where failed.position = stages.position) as failed,
    cast(coalesce(counted.rows, 0) as bigint) as rows,
    round(counted.items_out / nullif(counted.items_in, 0), 4) as kept_ratio,
    round(coalesce(counted.cpu_time_s, 0) / 3600, 4) as cpu_h
from stages
left join counted on stages.asset = counted.asset
order by stages.position
