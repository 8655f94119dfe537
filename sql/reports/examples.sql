-- Tasks to read, with all turns: some right at once, some right after revision, some never right, in both directions.
-- Chosen by id, which is as good as by chance and the same every time; different last verdicts come first.
-- The choice looks at verdicts alone; texts are read for the chosen tasks only.
with judged as (
    select * from verdicts
    union all
    select * from revised_verdicts
),

ended as (
    select
        task_id,
        any_value(direction) as direction,
        max(turn) as last_turn,
        arg_max(status, turn) as last_status
    from judged
    where status <> 'infrastructure'
    group by task_id
),

ranked as (
    select
        *,
        case
            when last_status <> 'correct' then 'never right'
            when last_turn = 1 then 'right at once'
            else 'right after revision'
        end as kind,
        row_number() over (partition by kind, direction, last_status order by task_id) as place_in_status
    from ended
),

chosen as (
    select *
    from ranked
    qualify row_number() over (partition by kind, direction order by place_in_status, task_id) <= 2
),

answered as (
    select * from predictions where task_id in (select task_id from chosen)
    union all
    select * from revised_predictions where task_id in (select task_id from chosen)
),

flags as (
    unpivot (from cot_flaws where task_id in (select task_id from chosen))
    on columns(* exclude (prediction_id, task_id, function_id, source, direction, turn, model_id, part))
    into name flaw value has_it
),

flagged as (
    select prediction_id, list(flaw order by flaw) as flaws from flags where has_it group by prediction_id
),

turns as (
    select
        answered.task_id,
        list(
            {
                'turn': answered.turn,
                'response_status': answered.status,
                'reasoning': answered.reasoning,
                'response': answered.response,
                'verdict': judged.status,
                'predicted_json': judged.predicted_json,
                'executed_output_json': judged.executed_output_json,
                'error_type': judged.error_type,
                'feedback': judged.feedback,
                'flaws': coalesce(flagged.flaws, [])
            }
            order by answered.turn
        ) as turns
    from answered
    inner join judged on answered.prediction_id = judged.prediction_id
    left join flagged on answered.prediction_id = flagged.prediction_id
    where judged.status <> 'infrastructure'
    group by answered.task_id
)

select
    chosen.kind,
    chosen.direction,
    chosen.last_status,
    chosen.task_id,
    tasks.source,
    unified_functions.path,
    tasks.prompt,
    io_pairs.input_json,
    io_pairs.output_json,
    turns.turns
from chosen
inner join turns on chosen.task_id = turns.task_id
inner join prediction_tasks as tasks on chosen.task_id = tasks.task_id
inner join io_pairs on tasks.pair_id = io_pairs.pair_id
inner join unified_functions on tasks.function_id = unified_functions.function_id
order by
    list_position(['right at once', 'right after revision', 'never right'], chosen.kind),
    chosen.direction desc,
    chosen.task_id
