-- One row per function with pairs: on which side of the split it is, where it lies when a share is taken, and what
-- leaves it out whatever is asked about it; `function_reason` goes before reasons of single items, `license_reason` after.
-- Made into the temporary table `function_places`. The side is that of the near-duplicate group, so that nothing is
-- trained on whose like is held out.
with marked as (select unnest($marked::varchar[]) as id),

pair_counts as (select function_id, count(*) as pairs from io_pairs group by function_id),

placed as (
    select
        unified_functions.function_id,
        unified_functions.file_id,
        unified_functions.source,
        unified_functions.license,
        lower(unified_functions.license) as license_key,
        coalesce(near_duplicate_groups.group_id, unified_functions.file_id) as group_id,
        side_of(coalesce(near_duplicate_groups.group_id, unified_functions.file_id), $test_ratio, $held_out_ratio)
            as split,
        list_transform(
            coalesce(near_duplicate_groups.bridged_groups_json, '[]')::varchar[],
            lambda other : side_of(other, $test_ratio, $held_out_ratio)
        ) as sides_nearby,
        least($pairs_limit, greatest(1, round(pair_counts.pairs * $pairs_fraction))) as pairs_taken
    from unified_functions
    inner join pair_counts on unified_functions.function_id = pair_counts.function_id
    left join near_duplicate_groups on unified_functions.file_id = near_duplicate_groups.file_id
)

select
    function_id,
    group_id,
    license,
    split,
    pairs_taken,
    place_of(function_id, 'mix') as share_place,
    len(list_filter(sides_nearby, lambda side : side <> split)) > 0 as is_near_another_side,
    case
        when function_id in (select id from marked) or file_id in (select id from marked) then 'marked'
        when function_id in (select unnest($leaked::varchar[])) then 'leaked'
        when list_contains($exclude, source) or (len($include) > 0 and not list_contains($include, source))
            then 'source_left_out'
        when place_of(function_id, 'fraction') >= $fraction then 'outside_fraction'
    end as function_reason,
    case
        when $any_license then null
        when license_key is null and not $unknown_license then 'license_unknown'
        when license_key is not null and not list_contains($licenses, license_key) then 'license_not_allowed'
    end as license_reason
from placed
