-- One row per conversation that `conversation_outcomes` takes: the training sample, its last message the completion.
with told as (
    select
        conversation_outcomes.sample_id,
        conversation_outcomes.source,
        conversation_outcomes.split,
        instruction_data.messages_json::json[] as messages
    from conversation_outcomes
    inner join instruction_data on conversation_outcomes.sample_id = instruction_data.sample_id
    where conversation_outcomes.reason is null
)

select
    sample_id,
    $stage::bigint as stage,
    'instruction' as kind,
    split,
    null::varchar as task_id,
    null::varchar as function_id,
    null::varchar as group_id,
    source,
    null::varchar as direction,
    null::varchar as repository,
    null::varchar as path,
    null::varchar as license,
    to_json(messages[:-2])::varchar as prompt_json,
    messages[-1] ->> '$.content' as completion,
    null::varchar as turn_1,
    null::varchar as feedback_1,
    null::varchar as turn_2,
    null::varchar as feedback_2,
    null::varchar as final_status
from told
order by sample_id
