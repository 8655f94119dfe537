-- One row per prediction task, with its pair, its function and all its turns in order: what a sample is made of.
with answered as (
    select * from predictions
    union all
    select * from revised_predictions
),

judged as (
    select * from verdicts
    union all
    select * from revised_verdicts
),

turns as (
    select
        answered.task_id,
        list(
            {
                'response': answered.response,
                'response_status': answered.status,
                'verdict': judged.status,
                'feedback': judged.feedback
            }
            order by answered.turn
        ) as turns
    from answered
    inner join judged on answered.prediction_id = judged.prediction_id
    group by answered.task_id
)

select
    prediction_tasks.task_id,
    prediction_tasks.function_id,
    prediction_tasks.source,
    prediction_tasks.direction,
    prediction_tasks.prompt,
    io_pairs.pair_index,
    io_pairs.input_json,
    io_pairs.output_json,
    unified_functions.query,
    unified_functions.io_description,
    unified_functions.reference_code,
    unified_functions.repository,
    unified_functions.path,
    unified_functions.license,
    turns.turns
from prediction_tasks
inner join io_pairs on prediction_tasks.pair_id = io_pairs.pair_id
inner join unified_functions on prediction_tasks.function_id = unified_functions.function_id
inner join turns on prediction_tasks.task_id = turns.task_id
order by prediction_tasks.task_id
