-- A view over the live files of one table; what is in dollars is filled in, quoted, by codeio_assets/store/views.py.
-- The partition is the folder `part=<key>`; a filter on it opens only that partition's file.
create or replace view $view as
select
    $columns,
    parse_path(stored_file)[-2][6:] as part
from read_parquet(
    $files,
    filename = 'stored_file',
    hive_partitioning = false,
    union_by_name = $columns_differ
)
