-- What the runs took: requests, journal hits, tokens and money by day, asset and model; replayed answers cost nothing.
select
    ended_at[:10] as day,
    asset,
    model_id,
    cast(sum(requests) as bigint) as requests,
    cast(sum(replayed) as bigint) as replayed,
    cast(sum(failed) as bigint) as failed,
    cast(sum(tries) as bigint) as tries,
    cast(sum(prompt_tokens) as bigint) as prompt_tokens,
    cast(sum(cached_tokens) as bigint) as cached_tokens,
    cast(sum(completion_tokens) as bigint) as completion_tokens,
    round(sum(cost), 4) as cost,
    currency,
    round(sum(completion_tokens) / nullif(sum(wall_time_s), 0), 1) as completion_tokens_per_s
from model_usage
group by day, asset, model_id, currency
order by day, asset, model_id, currency
