-- One row per function with pairs: on which side of the split it is, and where it lies when a share is taken.
-- Made per group of shards into the temporary table `function_places`. The side is that of the near-duplicate group, so
-- that nothing is trained on whose like is held out.
with pair_counts as (select function_id, count(*) as pairs from io_pairs group by function_id)

select
    unified_functions.function_id,
    unified_functions.file_id,
    unified_functions.license,
    coalesce(near_duplicate_groups.group_id, unified_functions.file_id) as group_id,
    side_of(coalesce(near_duplicate_groups.group_id, unified_functions.file_id), $test_ratio, $held_out_ratio)
        as split,
    list_transform(
        coalesce(near_duplicate_groups.bridged_groups_json, '[]')::varchar[],
        lambda other : side_of(other, $test_ratio, $held_out_ratio)
    ) as sides_nearby,
    place_of(unified_functions.function_id, 'fraction') as fraction_place,
    place_of(unified_functions.function_id, 'mix') as share_place,
    least($pairs_limit, greatest(1, round(pair_counts.pairs * $pairs_fraction))) as pairs_taken
from unified_functions
inner join pair_counts on unified_functions.function_id = pair_counts.function_id
left join near_duplicate_groups on unified_functions.file_id = near_duplicate_groups.file_id
