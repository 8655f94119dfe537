-- One row per question about a step of a traced execution: whether a stage of a recipe takes it, and if not, why.
-- Made per group of shards into the temporary table `step_outcomes`. Variant, turns and pass rates are those of tasks,
-- and do not concern it; the side of the split does.
with asked as (
    select
        step_questions.part,
        step_questions.question_id,
        step_questions.pair_id,
        step_questions.source,
        step_questions.answer,
        io_pairs.pair_index,
        functions.* exclude (share_place),
        lower(functions.license) as license_key,
        place_of(step_questions.question_id, 'mix') as share_place
    from step_questions
    inner join io_pairs on step_questions.pair_id = io_pairs.pair_id
    inner join function_places as functions on step_questions.function_id = functions.function_id
),

marked as (select unnest($marked::varchar[]) as id),

decided as (
    select
        *,
        case
            when
                question_id in (select id from marked)
                or pair_id in (select id from marked)
                or function_id in (select id from marked)
                or file_id in (select id from marked)
                then 'marked'
            when function_id in (select unnest($leaked::varchar[])) then 'leaked'
            when list_contains($exclude, source) or (len($include) > 0 and not list_contains($include, source))
                then 'source_left_out'
            when fraction_place >= $fraction then 'outside_fraction'
            when answer is null then 'no_walk'
            when pair_index >= pairs_taken then 'beyond_pairs_per_function'
            when not $any_license and license_key is null and not $unknown_license then 'license_unknown'
            when not $any_license and license_key is not null and not list_contains($licenses, license_key)
                then 'license_not_allowed'
            when len(list_filter(sides_nearby, lambda side : side <> split)) > 0 then 'near_another_side'
            when share_place >= $share then 'outside_mix_share'
        end as reason
    from asked
)

select
    part,
    question_id,
    function_id,
    group_id,
    source,
    license,
    split,
    reason,
    'stage ' || $stage || ': '
    || case reason
        when 'marked' then 'marked as excluded'
        when 'leaked' then 'shares an n-gram with a question of a benchmark'
        when 'source_left_out' then 'source ' || source
        when 'outside_fraction' then 'outside the fraction ' || $fraction
        when 'no_walk' then 'the teacher cannot tell the way to the step'
        when 'beyond_pairs_per_function'
            then 'pair ' || (pair_index + 1) || ' of at most ' || pairs_taken::bigint
        when 'license_unknown' then 'the source states no licence'
        when 'license_not_allowed' then 'licence ' || license
        when 'near_another_side' then 'its file is also near to files on another side of the split than ' || split
        else 'share ' || $share || ' of steps'
    end as detail
from decided
