-- Whether longer responses are right more often: turn 1, tasks grouped by the length of the response in tokens.
-- Each group spans a doubling of the length; responses that the machine lost are left out.
with measured as (
    select
        verdicts.direction,
        verdicts.status,
        cast(pow(2, floor(log2(predictions.completion_tokens))) as bigint) as tokens_from
    from verdicts
    inner join predictions on verdicts.prediction_id = predictions.prediction_id
    where verdicts.turn = 1 and verdicts.status <> 'infrastructure' and predictions.completion_tokens > 0
)

select
    direction,
    tokens_from,
    2 * tokens_from - 1 as tokens_to,
    count(*) filter (where status = 'correct') as correct,
    count(*) as total,
    round(correct / total, 4) as share
from measured
group by direction, tokens_from
order by direction, tokens_from
