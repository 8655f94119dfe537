-- How the share of right answers changes from version to version of a shard: turn 1, oldest version first.
-- A version is what one commit of the verdicts held; the check `correct_rate_is_steady` compares the same numbers.
select
    source,
    direction,
    model_id,
    shard,
    version[:12] as version,
    written_at,
    correct,
    total,
    round(correct / total, 4) as share
from verdict_history
where turn = 1
order by source, direction, model_id, written_at, shard, version
