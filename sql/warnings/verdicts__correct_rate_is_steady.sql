-- The share of right answers is within `max_drift` of that of earlier versions; otherwise the directions where it is not.
-- Compared are the last `compared_versions` versions of this shard: other shards hold other files, and say nothing about a
-- change. What chance alone may do to shares of so few answers, two standard errors of their difference, is tolerated
-- besides.
with present as (
    select
        source,
        direction,
        count(*) filter (where status = 'correct') as correct,
        count(*) as total
    from verdicts
    where part = $partition and turn = 1 and status <> 'infrastructure'
    group by source, direction
),

versions as (
    select
        shard,
        version,
        source,
        direction,
        max(written_at) as written_at,
        sum(correct) as correct,
        sum(total) as total,
        sum(correct) / sum(total) as share
    from verdict_history
    where turn = 1
    group by shard, version, source, direction
),

live as (
    select arg_max(version, written_at) as version from versions where shard = $partition
),

earlier as (
    select *
    from versions
    where shard = $partition and version <> (select version from live)
),

compared as (
    select *
    from earlier
    qualify dense_rank() over (partition by source, direction order by written_at desc, version) <= $compared_versions
),

bands as (
    select
        source,
        direction,
        min(share) as lowest,
        max(share) as highest,
        min(total) as fewest,
        sum(correct) as correct,
        sum(total) as total,
        count(*) as versions
    from compared
    group by source, direction
),

measured as (
    select
        present.*,
        present.correct / present.total as share,
        bands.lowest,
        bands.highest,
        bands.versions,
        (present.correct + bands.correct + 1) / (present.total + bands.total + 2) as pooled,
        $max_drift + 2 * sqrt(pooled * (1 - pooled) * (1 / present.total + 1 / bands.fewest)) as tolerated
    from present
    inner join bands on present.source = bands.source and present.direction = bands.direction
)

select
    source,
    direction,
    correct,
    total,
    round(share, 4) as share,
    round(lowest, 4) as lowest_before,
    round(highest, 4) as highest_before,
    round(tolerated, 4) as tolerated,
    versions
from measured
where share + tolerated < lowest or share > highest + tolerated
order by source, direction
