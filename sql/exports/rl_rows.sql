-- One row per task that `rl_outcomes` takes, on one side of the split: the columns that trainers read, and the lineage.
with asked as (
    select task_id, prompt, null as target
    from prediction_tasks
    union all
    select question_id, prompt, target_json
    from step_questions
    where $with_steps
),

told as (
    select
        rl_outcomes.*,
        asked.prompt as asked,
        unified_functions.query,
        unified_functions.io_description,
        unified_functions.reference_code,
        unified_functions.repository,
        unified_functions.path,
        coalesce(asked.target, io_pairs.output_json) as target,
        case rl_outcomes.direction when 'output' then io_pairs.input_json else io_pairs.output_json end as given,
        '{"' || rl_outcomes.direction || '":'
        || case rl_outcomes.direction
            when 'output' then coalesce(asked.target, io_pairs.output_json)
            else io_pairs.input_json
        end
        || '}' as answer
    from rl_outcomes
    inner join asked on rl_outcomes.task_id = asked.task_id
    inner join io_pairs on rl_outcomes.pair_id = io_pairs.pair_id
    inner join unified_functions on rl_outcomes.function_id = unified_functions.function_id
    where rl_outcomes.reason is null and rl_outcomes.split = $side
),

numbered as (
    select
        *,
        case
            when $as_asked or kind <> 'prediction' then asked
            else prompt_of(
                case direction when 'input' then $input_prompt else $output_prompt end,
                query,
                io_description,
                given,
                trim(reference_code, e' \t\n\r\f\x0b')
            )
        end as question,
        row_number() over (order by task_id) - 1 as place
    from told
)

select
    task_id,
    [{'role': 'user', 'content': question}] as prompt,
    kind,
    direction,
    target,
    answer,
    reference_code,
    function_id,
    pair_id,
    group_id,
    source,
    repository,
    path,
    license,
    $rule_version as rule_version,
    pass_rate,
    samples as pass_rate_samples,
    curriculum,
    'codeio/' || source as data_source,
    'code reasoning' as ability,
    {'style': 'rule', 'ground_truth': target} as reward_model,
    {
        'index': place,
        'split': split,
        'task_id': task_id,
        'direction': direction,
        'reference_code': reference_code
    } as extra_info
from numbered
order by place
