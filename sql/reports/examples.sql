-- Tasks to read, with all turns: some right at once, some right after revision, some never right, in both directions.
-- Chosen by id, which is as good as by chance and the same every time; different last verdicts come first.
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
        max(answered.turn) as last_turn,
        arg_max(judged.status, answered.turn) as last_status,
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
                'feedback': judged.feedback
            }
            order by answered.turn
        ) as turns
    from answered
    inner join judged on answered.prediction_id = judged.prediction_id
    where judged.status <> 'infrastructure'
    group by answered.task_id
),

named as (
    select
        *,
        case
            when last_status <> 'correct' then 'never right'
            when last_turn = 1 then 'right at once'
            else 'right after revision'
        end as kind
    from turns
),

ranked as (
    select
        named.*,
        tasks.function_id,
        tasks.pair_id,
        tasks.source,
        tasks.direction,
        tasks.prompt,
        row_number() over (
            partition by named.kind, tasks.direction, named.last_status order by named.task_id
        ) as place_in_status
    from named
    inner join prediction_tasks as tasks on named.task_id = tasks.task_id
),

chosen as (
    select *
    from ranked
    qualify row_number() over (partition by kind, direction order by place_in_status, task_id) <= 2
)

select
    chosen.kind,
    chosen.direction,
    chosen.last_status,
    chosen.task_id,
    chosen.source,
    unified_functions.path,
    chosen.prompt,
    io_pairs.input_json,
    io_pairs.output_json,
    chosen.turns
from chosen
inner join io_pairs on chosen.pair_id = io_pairs.pair_id
inner join unified_functions on chosen.function_id = unified_functions.function_id
order by
    list_position(['right at once', 'right after revision', 'never right'], chosen.kind),
    chosen.direction desc,
    chosen.task_id
