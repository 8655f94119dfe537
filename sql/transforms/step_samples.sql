-- One row per question that `step_outcomes` takes: the training sample, answered by the teacher that tells traces.
with told as (
    select
        step_outcomes.*,
        step_questions.answer,
        unified_functions.repository,
        unified_functions.path,
        '[' || json_object('content', step_questions.prompt, 'role', 'user') || ']' as prompt_json
    from step_outcomes
    inner join step_questions on step_outcomes.question_id = step_questions.question_id
    inner join unified_functions on step_outcomes.function_id = unified_functions.function_id
    where step_outcomes.reason is null
)

select
    sha256(json_object('completion', answer, 'prompt', prompt_json, 'question_id', question_id)::varchar) as sample_id,
    $stage::bigint as stage,
    'steps' as kind,
    split,
    null::varchar as task_id,
    function_id,
    group_id,
    source,
    null::varchar as direction,
    repository,
    path,
    license,
    prompt_json,
    answer as completion,
    answer as turn_1,
    null::varchar as feedback_1,
    null::varchar as turn_2,
    null::varchar as feedback_2,
    'correct' as final_status
from told
order by part, sample_id
