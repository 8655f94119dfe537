-- What the models were asked for: requests (retries included) and tokens by stage and model, as the servers counted them.
with asked as (
    select
        0 as place,
        'label' as stage,
        model_id,
        json_array_length(request_keys_json) as requests,
        prompt_tokens,
        completion_tokens
    from file_labels
    union all
    select 1 as place, 'transform' as stage, model_id, 1 as requests, prompt_tokens, completion_tokens
    from transform_attempts
    union all
    select 2, 'predict', model_id, attempts, prompt_tokens, completion_tokens from predictions
    union all
    select 3, 'revise', model_id, attempts, prompt_tokens, completion_tokens from revised_predictions
)

select
    stage,
    model_id,
    count(*) as rows,
    cast(sum(requests) as bigint) as requests,
    cast(sum(prompt_tokens) as bigint) as prompt_tokens,
    cast(sum(completion_tokens) as bigint) as completion_tokens
from asked
group by place, stage, model_id
order by place, model_id
