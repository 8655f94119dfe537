-- The last answers with their verdicts, all turns paid for, by what they are about: the pair and the direction.
with said as (
    select prediction_id, task_id, turn, prompt_tokens, completion_tokens, model_id from predictions
    union all
    select prediction_id, task_id, turn, prompt_tokens, completion_tokens, model_id from revised_predictions
),

judged as (
    select prediction_id, status from verdicts
    union all
    select prediction_id, status from revised_verdicts
),

talks as (
    select
        said.task_id,
        arg_max(judged.status, said.turn) as status,
        cast(sum(said.prompt_tokens) as bigint) as prompt_tokens,
        cast(sum(said.completion_tokens) as bigint) as completion_tokens,
        arg_min(said.model_id, said.turn) as model
    from said
    inner join judged on said.prediction_id = judged.prediction_id
    where judged.status <> 'infrastructure'
    group by said.task_id
)

select
    prediction_tasks.pair_id,
    prediction_tasks.direction,
    talks.task_id,
    prediction_tasks.function_id,
    talks.status,
    talks.prompt_tokens,
    talks.completion_tokens,
    talks.model
from talks
inner join prediction_tasks on talks.task_id = prediction_tasks.task_id
