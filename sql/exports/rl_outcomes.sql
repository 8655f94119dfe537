-- One row per prediction task, and per question about a step if wanted: whether an export for reinforcement learning takes it, and if not, why.
-- Sides are those of the near-duplicate group, as in training sets, so that a model that was fine-tuned on the training
-- side is trained further on the same side.
with asked as (
    select part, task_id, pair_id, function_id, source, direction, prompt, 'prediction' as kind
    from prediction_tasks
    union all
    select part, question_id, pair_id, function_id, source, 'output', prompt, kind
    from step_questions
    where $with_steps
),

pair_counts as (select function_id, count(*) as pairs from io_pairs group by function_id),

functions as (
    select
        unified_functions.function_id,
        unified_functions.license,
        coalesce(near_duplicate_groups.group_id, unified_functions.file_id) as group_id,
        side_of(coalesce(near_duplicate_groups.group_id, unified_functions.file_id), $test_ratio, $held_out_ratio)
            as split,
        list_transform(
            coalesce(near_duplicate_groups.bridged_groups_json, '[]')::varchar[],
            lambda other : side_of(other, $test_ratio, $held_out_ratio)
        ) as sides_nearby,
        place_of(unified_functions.function_id, 'fraction') as fraction_place,
        least($pairs_limit, greatest(1, round(pair_counts.pairs * $pairs_fraction))) as pairs_taken
    from unified_functions
    inner join pair_counts on unified_functions.function_id = pair_counts.function_id
    left join near_duplicate_groups on unified_functions.file_id = near_duplicate_groups.file_id
),

turns as (
    select task_id, turn, status from verdicts
    union all
    select task_id, turn, status from revised_verdicts
),

first_right as (select task_id, min(turn) as turn from turns where status = 'correct' group by task_id),

rates as (
    select
        task_id,
        sum(samples)::bigint as samples,
        sum(correct)::bigint as correct,
        sum(correct) / nullif(sum(samples), 0) as pass_rate
    from pass_rates
    where $pass_rate_model = '' or model_id = $pass_rate_model
    group by task_id
),

tasks as (
    select
        asked.part,
        asked.task_id,
        asked.pair_id,
        asked.source,
        asked.direction,
        asked.kind,
        length(asked.prompt) as prompt_length,
        io_pairs.pair_index,
        functions.*,
        lower(functions.license) as license_key,
        rates.samples,
        rates.correct,
        rates.pass_rate,
        first_right.turn as first_right_turn
    from asked
    inner join io_pairs on asked.pair_id = io_pairs.pair_id
    inner join functions on asked.function_id = functions.function_id
    left join rates on asked.task_id = rates.task_id
    left join first_right on asked.task_id = first_right.task_id
),

decided as (
    select
        *,
        case
            when not list_contains($splits, split) then 'split_left_out'
            when list_contains($exclude, source) or (len($include) > 0 and not list_contains($include, source))
                then 'source_left_out'
            when fraction_place >= $fraction then 'outside_fraction'
            when $variant in ('input_only', 'output_only') and $variant <> direction || '_only'
                then 'direction_left_out'
            when pair_index >= pairs_taken then 'beyond_pairs_per_function'
            when not $any_license and license_key is null and not $unknown_license then 'license_unknown'
            when not $any_license and license_key is not null and not list_contains($licenses, license_key)
                then 'license_not_allowed'
            when len(list_filter(sides_nearby, lambda side : side <> split)) > 0 then 'near_another_side'
            when $by_pass_rate and pass_rate is null then 'no_pass_rate'
            when $by_pass_rate and (pass_rate < $pass_rate_low or pass_rate > $pass_rate_high)
                then 'outside_pass_rate'
        end as reason
    from tasks
)

select
    * exclude (sides_nearby, fraction_place, pairs_taken, license_key),
    case
        when reason is null then percent_rank() over (
            partition by split, reason is null
            order by coalesce(1 - pass_rate, 0.5), coalesce(first_right_turn, 1000), prompt_length, task_id
        )
    end as curriculum
from decided
