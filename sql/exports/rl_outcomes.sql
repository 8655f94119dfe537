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

marked as (select unnest($marked::varchar[]) as id),

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
        rates.samples,
        rates.correct,
        rates.pass_rate,
        first_right.turn as first_right_turn
    from asked
    inner join io_pairs on asked.pair_id = io_pairs.pair_id
    inner join function_places as functions on asked.function_id = functions.function_id
    left join rates on asked.task_id = rates.task_id
    left join first_right on asked.task_id = first_right.task_id
),

decided as (
    select
        *,
        case
            when not list_contains($splits, split) then 'split_left_out'
            when task_id in (select id from marked) or pair_id in (select id from marked) then 'marked'
            when function_reason is not null then function_reason
            when $variant in ('input_only', 'output_only') and $variant <> direction || '_only'
                then 'direction_left_out'
            when pair_index >= pairs_taken then 'beyond_pairs_per_function'
            when license_reason is not null then license_reason
            when is_near_another_side then 'near_another_side'
            when $by_pass_rate and pass_rate is null then 'no_pass_rate'
            when $by_pass_rate and (pass_rate < $pass_rate_low or pass_rate > $pass_rate_high)
                then 'outside_pass_rate'
        end as reason
    from tasks
)

select
    * exclude (pairs_taken, share_place, is_near_another_side, function_reason, license_reason),
    case
        when reason is null then percent_rank() over (
            partition by split, reason is null
            order by coalesce(1 - pass_rate, 0.5), coalesce(first_right_turn, 1000), prompt_length, task_id
        )
    end as curriculum
from decided
