-- Tasks, functions and files whose id begins with `$id`, where there is no index to ask.
select 'task' as kind, task_id as id, part from prediction_tasks where starts_with(task_id, $id)
union all
select 'function', function_id, part from unified_functions where starts_with(function_id, $id)
union all
select 'file', file_id, part from raw_code_files where starts_with(file_id, $id)
order by kind, id
limit 20
