-- One row per task that `task_outcomes` takes: the training sample, in the recipe's variant and format.
-- Turns are joined by the phrases of codeio.yaml (CodeI/O++), or turn 1 stands alone (CodeI/O). A control has, instead of
-- everything after turn 1, text of the shard's next function, cut or repeated to the same length.
with judged as (
    select prediction_id, status, feedback from verdicts
    union all
    select prediction_id, status, feedback from revised_verdicts
),

answered as (
    select prediction_id, task_id, turn, response from predictions
    union all
    select prediction_id, task_id, turn, response from revised_predictions
),

turns as (
    select
        answered.task_id,
        answered.turn,
        answered.response,
        trim(answered.response, e' \t\n\r\f\x0b') as answer,
        judged.status as verdict,
        judged.feedback
    from answered
    inner join task_outcomes on answered.task_id = task_outcomes.task_id
    inner join judged on answered.prediction_id = judged.prediction_id
    where task_outcomes.reason is null and answered.turn <= task_outcomes.usable_turns
),

talks as (
    select
        task_id,
        string_agg(
            case when turn > 1 then $retry || e'\n\n' else '' end
            || answer
            || case
                when not $with_checks then ''
                when verdict = 'correct' then e'\n\n' || $check_passed
                else e'\n\n' || $check_failed || ' ' || feedback
            end,
            e'\n\n'
            order by turn
        ) as text,
        max(answer) filter (where turn = 1) as answer,
        max(response) filter (where turn = 1) as turn_1,
        max(feedback) filter (where turn = 1) as feedback_1,
        max(response) filter (where turn = 2) as turn_2,
        max(feedback) filter (where turn = 2) as feedback_2
    from turns
    group by task_id
),

donors as (
    select
        task_outcomes.part,
        task_outcomes.function_id,
        arg_min(predictions.response, predictions.task_id) as text
    from predictions
    inner join task_outcomes on predictions.task_id = task_outcomes.task_id
    where $is_control and task_outcomes.usable_turns > 0
    group by task_outcomes.part, task_outcomes.function_id
),

unrelated as (
    select
        function_id,
        coalesce(lead(text) over shard, first_value(text) over shard) as text
    from donors
    window shard as (partition by part order by function_id)
),

told as (
    select
        task_outcomes.*,
        prediction_tasks.prompt,
        unified_functions.query,
        unified_functions.io_description,
        unified_functions.repository,
        unified_functions.path,
        trim(unified_functions.reference_code, e' \t\n\r\f\x0b') as code,
        case task_outcomes.direction when 'output' then io_pairs.input_json else io_pairs.output_json end as given,
        $to_truth and task_outcomes.final_verdict <> 'correct' as is_replaced,
        '{"' || task_outcomes.direction || '":'
        || case task_outcomes.direction when 'output' then io_pairs.output_json else io_pairs.input_json end
        || '}' as truth,
        talks.* exclude (task_id),
        unrelated.text as unrelated,
        length(talks.text) - length(talks.answer) as revision_length
    from task_outcomes
    inner join prediction_tasks on task_outcomes.task_id = prediction_tasks.task_id
    inner join io_pairs on task_outcomes.pair_id = io_pairs.pair_id
    inner join unified_functions on task_outcomes.function_id = unified_functions.function_id
    inner join talks on task_outcomes.task_id = talks.task_id
    left join unrelated on task_outcomes.function_id = unrelated.function_id
    where task_outcomes.reason is null
),

answers as (
    select
        * exclude (text),
        case
            when is_replaced and $with_checks then truth || e'\n\n' || $check_passed
            when is_replaced then truth
            when $is_control
                then answer || left(
                    repeat(e'\n\n' || unrelated, (revision_length // (length(unrelated) + 2) + 1)::bigint),
                    revision_length
                )
            else text
        end as cot,
        case
            when $as_asked then prompt
            else array_to_string(
                list_transform(
                    case direction when 'input' then $input_prompt else $output_prompt end,
                    lambda piece : piece.text || case piece.field
                        when 'query' then query
                        when 'io_description' then io_description
                        when 'given' then given
                        when 'reference_code' then code
                        else ''
                    end
                ),
                ''
            )
        end as question
    from told
),

texts as (
    select
        *,
        '[' || json_object('content', question, 'role', 'user') || ']' as prompt_json,
        case $format
            when 'query_to_code' then e'```python\n' || code || e'\n```'
            when 'query_to_code_cot' then e'```python\n' || code || e'\n```\n\n' || cot
            else cot
        end as completion
    from answers
)

select
    sha256(json_object('completion', completion, 'prompt', prompt_json, 'task_id', task_id)::varchar) as sample_id,
    $stage::bigint as stage,
    'codeio' as kind,
    split,
    task_id,
    function_id,
    group_id,
    source,
    direction,
    repository,
    path,
    license,
    prompt_json,
    completion,
    case when is_replaced then truth else turn_1 end as turn_1,
    case when is_replaced then 'Success' else feedback_1 end as feedback_1,
    case when not is_replaced then turn_2 end as turn_2,
    case when not is_replaced then feedback_2 end as feedback_2,
    case when is_replaced then 'correct' else final_verdict end as final_status
from texts
order by part, sample_id
