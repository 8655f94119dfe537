-- What is wrong with the published data that was audited, in pairs and in functions that have such pairs.
-- A pair counts once as reproducing or not, and besides under each flaw that it has.
with findings as (
    select 1 as place, result = 'reproduces' as is_good, result as finding, function_number from published_data_audit
    union all
    select 2, false, 'one output whatever the input', function_number from published_data_audit where is_degenerate
    union all
    select 3, false, 'same input as an earlier pair', function_number from published_data_audit where repeats_input
    union all
    select 4, false, 'same input-prediction prompt as an earlier pair', function_number
    from published_data_audit
    where repeats_input_prompt
    union all
    select 5, false, 'same code as an earlier function', function_number from published_data_audit where repeats_function
    union all
    select 6, false, 'public rule: ' || replace(misjudged, '_', ' '), function_number
    from published_data_audit
    where misjudged is not null
)

select
    finding,
    count(*) as pairs,
    count(distinct function_number) as functions,
    round(count(*) / (select count(*) from published_data_audit), 4) as share_of_pairs
from findings
group by place, is_good, finding
order by place, is_good desc, pairs desc, finding
