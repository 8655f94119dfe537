-- One row per raw file of a partition and what became of it; `$part` is the partition.
select
    $part as part,
    raw_code_files.file_id as id,
    raw_code_files.source,
    raw_code_files.path,
    coalesce(raw_code_files.license, '') as license,
    coalesce(raw_code_files.repository, '') as repository,
    raw_code_files.size_bytes,
    raw_code_files.path as title,
    case
        when unified_functions.file_id is not null then 'function'
        else coalesce(eligible_code_files_rejections.reason, unified_functions_rejections.reason, 'not asked')
    end as fate
from raw_code_files
left join unified_functions on raw_code_files.file_id = unified_functions.file_id
left join eligible_code_files_rejections on raw_code_files.file_id = eligible_code_files_rejections.id
left join unified_functions_rejections on raw_code_files.file_id = unified_functions_rejections.id
order by id
