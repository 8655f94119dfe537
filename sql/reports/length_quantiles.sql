-- How long prompts and responses are, in five numbers per measure, direction and turn; counted as in the histograms.
with answered as (
    select * from predictions
    union all
    select * from revised_predictions
),

measured as (
    select 'prompt tokens' as measure, direction, turn, prompt_tokens as length from answered where status <> 'failed'
    union all
    select 'response tokens', direction, turn, completion_tokens from answered where status <> 'failed'
    union all
    select 'response characters', direction, turn, length(response) from answered where status <> 'failed'
)

select
    measure,
    direction,
    turn,
    count(*) as rows,
    min(length) as shortest,
    quantile_disc(length, 0.5) as median,
    quantile_disc(length, 0.95) as percentile_95,
    max(length) as longest
from measured
group by measure, direction, turn
order by measure, direction, turn
