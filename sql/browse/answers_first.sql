-- Answers of turn 1 with their verdicts, by what they are about: the pair and the direction.
select
    prediction_tasks.pair_id,
    prediction_tasks.direction,
    prediction_tasks.task_id,
    prediction_tasks.function_id,
    verdicts.status,
    predictions.prompt_tokens,
    predictions.completion_tokens,
    predictions.model_id as model
from predictions
inner join verdicts on predictions.prediction_id = verdicts.prediction_id
inner join prediction_tasks on predictions.task_id = prediction_tasks.task_id
where verdicts.status <> 'infrastructure'
