-- The most frequent reasons for which items were dropped, over all partitions.
select
    manifests.asset,
    reasons.key as reason,
    cast(sum(cast(reasons.value as bigint)) as bigint) as rows
from manifests
inner join stages on manifests.asset = stages.asset
cross join json_each(manifests.info, '$.dropped_by_reason') as reasons
group by manifests.asset, reasons.key
order by rows desc, manifests.asset, reason
limit 8
