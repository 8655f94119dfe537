-- The way of an item back to its file: of a training sample one row per recipe and stage that holds it, of anything else
-- one row per task that it is or leads to, or what there is of it where no task was made.
-- `$id` may be the beginning of an id of any kind: sample, prediction, verdict, task, pair, function, file.
with samples as (
    select sample_id, part, stage, kind, split, final_status, source, task_id, function_id, group_id
    from training_sets
    where starts_with(sample_id, $id)
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

named_tasks as (
    select task_id from turns where starts_with(prediction_id, $id)
    union
    select task_id from judged where starts_with(verdict_id, $id)
    union
    select task_id
    from prediction_tasks
    where starts_with(task_id, $id) or starts_with(pair_id, $id) or starts_with(function_id, $id)
    union
    select prediction_tasks.task_id
    from prediction_tasks
    inner join unified_functions on prediction_tasks.function_id = unified_functions.function_id
    where starts_with(unified_functions.file_id, $id)
),

items as (
    select source, task_id, function_id, null as file_id
    from prediction_tasks
    where task_id in (select task_id from named_tasks)
    union all
    select source, null, function_id, file_id
    from unified_functions
    where
        (starts_with(function_id, $id) or starts_with(file_id, $id))
        and function_id not in (select function_id from prediction_tasks)
    union all
    select source, null, null, file_id
    from raw_code_files
    where starts_with(file_id, $id) and file_id not in (select file_id from unified_functions)
),

found as (
    select *, cast(null as varchar) as file_id from samples
    union all by name
    select * from items where not exists (select 1 from samples)
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
        'id': coalesce(unified_functions.file_id, found.file_id),
        'shard': coalesce(unified_functions.part, raw_code_files.part),
        'source': coalesce(unified_functions.source, raw_code_files.source),
        'repository': coalesce(unified_functions.repository, raw_code_files.repository),
        'path': coalesce(unified_functions.path, raw_code_files.path),
        'license': coalesce(unified_functions.license, raw_code_files.license),
        'content_sha256': raw_code_files.content_sha256,
        'near_duplicate_group': found.group_id
    } as file,
    answers.turns
from found
left join prediction_tasks on found.task_id = prediction_tasks.task_id
left join io_pairs on prediction_tasks.pair_id = io_pairs.pair_id
left join unified_functions on found.function_id = unified_functions.function_id
left join raw_code_files on coalesce(unified_functions.file_id, found.file_id) = raw_code_files.file_id
left join answers on found.task_id = answers.task_id
order by found.sample_id, found.part, found.stage, found.task_id
limit 20
