-- What full-text search finds a function by, and with it its file and its tasks.
select
    function_id as id,
    concat_ws(e'\n', path, repository, query, io_description, reference_code) as text
from unified_functions
order by id
