-- One row per item of a partition that a step dropped; `$part` is the partition. A file that could not even be read has
-- no id that another table knows.
select $part as part, 'raw_code_files' as step, 'file' as kind, id as item_id, source, reason, detail
from raw_code_files_rejections
union all
select $part, 'eligible_code_files', 'file', id, source, reason, detail from eligible_code_files_rejections
union all
select $part, 'unified_functions', 'file', id, source, reason, detail from unified_functions_rejections
union all
select $part, 'io_pairs', 'function', id, source, reason, detail from io_pairs_rejections
union all
select
    $part,
    'prediction_tasks',
    'pair',
    coalesce(nullif(regexp_extract(detail, 'prediction of pair ([0-9a-f]{64})', 1), ''), id),
    source,
    reason,
    detail
from prediction_tasks_rejections
order by step, item_id
