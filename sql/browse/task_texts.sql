-- What full-text search finds a task by: what the model said, and the values of its pair.
with said as (
    select task_id, string_agg(response, e'\n' order by turn) as text
    from (
        select task_id, turn, response from predictions
        union all
        select task_id, turn, response from revised_predictions
    )
    group by task_id
)

select
    prediction_tasks.task_id as id,
    concat_ws(e'\n', io_pairs.input_json, io_pairs.output_json, said.text) as text
from prediction_tasks
left join said on prediction_tasks.task_id = said.task_id
left join io_pairs on prediction_tasks.pair_id = io_pairs.pair_id
order by id
