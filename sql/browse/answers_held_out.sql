-- Answers of a model of a recipe, the base or a checkpoint, to held-out tasks; `$recipe` and `$model` name it.
select
    prediction_tasks.pair_id,
    held_out_answers.direction,
    held_out_answers.task_id,
    held_out_answers.function_id,
    held_out_answers.status,
    held_out_answers.prompt_tokens,
    held_out_answers.completion_tokens,
    held_out_answers.model
from held_out_answers
inner join prediction_tasks on held_out_answers.task_id = prediction_tasks.task_id
where held_out_answers.recipe = $recipe and held_out_answers.model = $model and held_out_answers.status <> 'infrastructure'
