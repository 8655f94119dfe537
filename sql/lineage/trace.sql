-- The way of a training sample back to its file: one row per recipe and stage that holds it.
-- `$sample_id` may be the beginning of an id.
with found as (
    select * from training_sets where starts_with(sample_id, $sample_id)
),

turns as (
    select * from predictions
    union all
    select * from revised_predictions
),

judged as (
    select * from verdicts
    union all
    select * from revised_verdicts
),

answers as (
    select
        turns.task_id,
        list(
            {
                'turn': turns.turn,
                'prediction_id': turns.prediction_id,
                'model': turns.model_id,
                'response': turns.status,
                'request_key': turns.request_key,
                'completion_tokens': turns.completion_tokens,
                'verdict': judged.status,
                'predicted': judged.predicted_json,
                'executed_output': judged.executed_output_json,
                'error': judged.error_type,
                'rule': judged.rule_version
            }
            order by turns.turn
        ) as turns
    from turns
    inner join judged on turns.prediction_id = judged.prediction_id
    where turns.task_id in (select task_id from found)
    group by turns.task_id
)

select
    {
        'id': found.sample_id,
        'recipe': found.part,
        'stage': found.stage,
        'kind': found.kind,
        'split': found.split,
        'final_status': found.final_status,
        'source': found.source
    } as sample,
    {
        'id': prediction_tasks.task_id,
        'direction': prediction_tasks.direction,
        'prompt_sha256': prediction_tasks.prompt_sha256
    } as task,
    {
        'id': io_pairs.pair_id,
        'index': io_pairs.pair_index,
        'input': io_pairs.input_json,
        'output': io_pairs.output_json
    } as pair,
    {
        'id': unified_functions.function_id,
        'query': unified_functions.query,
        'model': unified_functions.model_id,
        'attempt': unified_functions.attempt,
        'request_key': unified_functions.request_key,
        'prompt_sha256': unified_functions.prompt_sha256
    } as function,
    {
        'id': unified_functions.file_id,
        'shard': unified_functions.part,
        'source': unified_functions.source,
        'repository': unified_functions.repository,
        'path': unified_functions.path,
        'license': unified_functions.license,
        'content_sha256': raw_code_files.content_sha256,
        'near_duplicate_group': found.group_id
    } as file,
    answers.turns
from found
left join prediction_tasks on found.task_id = prediction_tasks.task_id
left join io_pairs on prediction_tasks.pair_id = io_pairs.pair_id
left join unified_functions on found.function_id = unified_functions.function_id
left join raw_code_files on unified_functions.file_id = raw_code_files.file_id
left join answers on found.task_id = answers.task_id
order by found.sample_id, found.part, found.stage
limit 20
