-- At most the set share of functions gives one output whatever the input (`max_degenerate_ratio`); otherwise those that do.
with functions as (
    select function_id, source, bool_or(is_degenerate) as is_degenerate, any_value(output_json) as output_json
    from io_pairs
    where part = $partition
    group by function_id, source
)

select function_id, source, output_json
from functions
where
    is_degenerate
    and (select count(*) filter (where is_degenerate) > $max_degenerate_ratio * count(*) from functions)
order by function_id
