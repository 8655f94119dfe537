-- What the answers in the tables hold in tokens, and what runs paid for; replayed answers cost nothing.
with held as (
    select
        asset,
        sum(coalesce(cast(info ->> '$.prompt_tokens' as bigint), 0)) as prompt_tokens,
        sum(coalesce(cast(info ->> '$.completion_tokens' as bigint), 0)) as completion_tokens
    from manifests
    where info ->> '$.prompt_tokens' is not null
    group by asset
),

paid as (
    select
        asset,
        string_agg(distinct currency, ', ') as currency,
        sum(requests - replayed) as requests,
        sum(failed) as failed,
        sum(cost) as cost
    from usage
    group by asset
)

select
    coalesce(held.asset, paid.asset) as asset,
    cast(coalesce(held.prompt_tokens, 0) as bigint) as prompt_tokens,
    cast(coalesce(held.completion_tokens, 0) as bigint) as completion_tokens,
    cast(coalesce(paid.requests, 0) as bigint) as requests_sent,
    cast(coalesce(paid.failed, 0) as bigint) as requests_failed,
    round(coalesce(paid.cost, 0), 4) as cost,
    paid.currency
from held
full outer join paid on held.asset = paid.asset
left join stages on coalesce(held.asset, paid.asset) = stages.asset
order by stages.position
