-- A view over the live files of one table; what is in dollars is filled in, quoted, by codeio_assets/store/views.py.
-- The partition is the folder `part=<key>`; a filter on it opens only that partition's file.
-- Files are named from the folder of the database, so that a folder that was moved or copied reads its own: DuckDB tells
-- it by its temporary folder, which is beside the database unless it was set. Who attaches the database to another one
-- says `set variable codeio_warehouse = '<folder>'` first.
create or replace view $view as
select
    $columns,
    parse_path(stored_file)[-2][6:] as part
from read_parquet(
    list_transform(
        $files,
        lambda file: regexp_replace(
            coalesce(
                getvariable('codeio_warehouse'), nullif(parse_dirpath(current_setting('temp_directory')), ''), '.'
            ),
            '([*?\[])', '[\1]', 'g'
        ) || '/' || file
    ),
    filename = 'stored_file',
    hive_partitioning = false,
    union_by_name = $columns_differ
)
