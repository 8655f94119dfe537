-- One row per prediction task of a partition with all that a list can be narrowed by; `$part` is the partition.
-- Statuses are those of the verdicts; a task without one has the status of its response, or `not asked`.
with turns as (
    select prediction_id, task_id, turn, status, model_id, completion_tokens from predictions
    union all
    select prediction_id, task_id, turn, status, model_id, completion_tokens from revised_predictions
),

judged as (
    select prediction_id, status, error_type from verdicts
    union all
    select prediction_id, status, error_type from revised_verdicts
),

flags as (
    unpivot cot_flaws
    on columns(* exclude (prediction_id, task_id, function_id, source, direction, turn, model_id, part))
    into name flaw value has_it
),

flagged as (select task_id, list(distinct flaw order by flaw) as flaws from flags where has_it group by task_id),

talks as (
    select
        turns.task_id,
        max(turns.turn) as turns,
        arg_min(coalesce(judged.status, turns.status), turns.turn) as first_status,
        arg_max(coalesce(judged.status, turns.status), turns.turn) as last_status,
        arg_min(turns.status, turns.turn) as response_status,
        arg_min(turns.model_id, turns.turn) as model,
        arg_min(turns.completion_tokens, turns.turn) as tokens,
        coalesce(bool_or(judged.status = 'correct'), false) as is_right
    from turns
    left join judged on turns.prediction_id = judged.prediction_id
    group by turns.task_id
),

rates as (
    select
        prediction_tasks.function_id,
        count(*) filter (where talks.first_status = 'correct') / count(*) as pass_rate
    from prediction_tasks
    inner join talks on prediction_tasks.task_id = talks.task_id
    where talks.first_status <> 'infrastructure'
    group by prediction_tasks.function_id
)

select
    $part as part,
    prediction_tasks.task_id as id,
    prediction_tasks.function_id,
    prediction_tasks.source,
    prediction_tasks.direction,
    coalesce(talks.turns, 0) as turns,
    coalesce(talks.first_status, 'not asked') as first_status,
    coalesce(talks.last_status, 'not asked') as last_status,
    coalesce(talks.response_status, 'not asked') as response_status,
    coalesce(talks.model, '') as model,
    coalesce(talks.tokens, 0) as tokens,
    coalesce(talks.is_right, false) as is_right,
    coalesce(rates.pass_rate, -1) as pass_rate,
    coalesce(flagged.flaws, []) as flaws,
    coalesce(unified_functions.license, '') as license,
    coalesce(unified_functions.path, '') as path,
    coalesce(if(len(unified_functions.query) > 160, left(unified_functions.query, 158) || ' …', unified_functions.query), '') as title,
    io_pairs.pair_index
from prediction_tasks
left join talks on prediction_tasks.task_id = talks.task_id
left join rates on prediction_tasks.function_id = rates.function_id
left join flagged on prediction_tasks.task_id = flagged.task_id
left join unified_functions on prediction_tasks.function_id = unified_functions.function_id
left join io_pairs on prediction_tasks.pair_id = io_pairs.pair_id
order by id
