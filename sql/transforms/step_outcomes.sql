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
            when question_id in (select id from marked) or pair_id in (select id from marked) then 'marked'
            when function_reason is not null then function_reason
            when answer is null then 'no_walk'
            when pair_index >= pairs_taken then 'beyond_pairs_per_function'
            when license_reason is not null then license_reason
            when is_near_another_side then 'near_another_side'
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
    || coalesce(told_of_function(reason, source, license, split, $fraction), case reason
        when 'no_walk' then 'the teacher cannot tell the way to the step'
        when 'beyond_pairs_per_function'
            then 'pair ' || (pair_index + 1) || ' of at most ' || pairs_taken::bigint
        else 'share ' || $share || ' of steps'
    end) as detail
from decided
