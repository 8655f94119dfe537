-- One row per prediction task that was asked: whether a stage of a recipe takes it, and if not, why.
-- Made per group of shards into the temporary table `task_outcomes`, which the other transforms read.
with answered as (
    select prediction_id, task_id, turn, status from predictions
    union all
    select prediction_id, task_id, turn, status from revised_predictions
),

judged as (
    select prediction_id, status from verdicts
    union all
    select prediction_id, status from revised_verdicts
),

turns as (
    select
        answered.task_id,
        answered.turn,
        answered.status as response_status,
        judged.status as verdict,
        bool_and(answered.status = 'answered' and judged.status <> 'infrastructure')
            over (partition by answered.task_id order by answered.turn)
            as is_usable
    from answered
    inner join judged on answered.prediction_id = judged.prediction_id
    where answered.turn <= $turns
),

talks as (
    select
        task_id,
        count(*) filter (where is_usable) as usable_turns,
        arg_max(verdict, turn) filter (where is_usable) as final_verdict,
        arg_min(response_status, turn) as first_status,
        arg_min(verdict, turn) as first_verdict
    from turns
    group by task_id
),

rates as (
    select task_id, sum(correct) / nullif(sum(samples), 0) as pass_rate
    from pass_rates
    group by task_id
),

stated as (
    select
        talks.task_id,
        bool_or(cot_grounding.right_state_lines is null) as has_unchecked_lines,
        bool_or(cot_grounding.right_state_lines < cot_grounding.state_lines) as has_wrong_lines
    from cot_grounding
    inner join talks on cot_grounding.task_id = talks.task_id
    where cot_grounding.state_lines > 0 and cot_grounding.turn <= talks.usable_turns
    group by talks.task_id
),

tasks as (
    select
        prediction_tasks.part,
        prediction_tasks.task_id,
        prediction_tasks.pair_id,
        prediction_tasks.source,
        prediction_tasks.direction,
        io_pairs.pair_index,
        functions.*,
        rates.pass_rate,
        stated.* exclude (task_id),
        talks.* exclude (task_id),
        min(prediction_tasks.function_id) filter (where talks.usable_turns > 0) over shard
        = max(prediction_tasks.function_id) filter (where talks.usable_turns > 0) over shard
            as is_alone
    from prediction_tasks
    inner join talks on prediction_tasks.task_id = talks.task_id
    inner join io_pairs on prediction_tasks.pair_id = io_pairs.pair_id
    inner join function_places as functions on prediction_tasks.function_id = functions.function_id
    left join rates on prediction_tasks.task_id = rates.task_id
    left join stated on prediction_tasks.task_id = stated.task_id
    window shard as (partition by prediction_tasks.part)
),

marked as (select unnest($marked::varchar[]) as id),

decided as (
    select
        *,
        case
            when task_id in (select id from marked) or pair_id in (select id from marked) then 'marked'
            when function_reason is not null then function_reason
            when usable_turns = 0 and first_verdict = 'infrastructure' then 'response_infrastructure'
            when usable_turns = 0 then 'response_' || first_status
            when $variant in ('input_only', 'output_only') and $variant <> direction || '_only'
                then 'direction_left_out'
            when $variant = 'correct_only' and final_verdict <> 'correct' then 'not_correct'
            when pair_index >= pairs_taken then 'beyond_pairs_per_function'
            when license_reason is not null then license_reason
            when $is_control and is_alone then 'no_unrelated_text'
            when $by_pass_rate and pass_rate is null then 'no_pass_rate'
            when $by_pass_rate and (pass_rate < $pass_rate_low or pass_rate > $pass_rate_high)
                then 'outside_pass_rate'
            when $by_state_lines and has_wrong_lines then 'wrong_state_line'
            when $by_state_lines and has_unchecked_lines then 'state_line_unchecked'
            when is_near_another_side then 'near_another_side'
            when share_place >= $share then 'outside_mix_share'
        end as reason
    from tasks
)

select
    part,
    task_id,
    pair_id,
    function_id,
    group_id,
    source,
    direction,
    license,
    usable_turns,
    final_verdict,
    split,
    reason,
    'stage ' || $stage || ': '
    || coalesce(told_of_function(reason, source, license, split, $fraction), case reason
        when 'direction_left_out' then direction || ' prediction in the variant ' || $variant
        when 'not_correct' then 'last verdict ' || final_verdict || ' in the variant ' || $variant
        when 'beyond_pairs_per_function'
            then 'pair ' || (pair_index + 1) || ' of at most ' || pairs_taken::bigint
        when 'no_pass_rate' then 'no model was asked several times'
        when 'outside_pass_rate' then 'pass rate ' || round(pass_rate, 3)
        when 'wrong_state_line' then 'a state line says what the execution did not have'
        when 'state_line_unchecked' then 'the execution of which a state line speaks could not be followed'
        when 'no_unrelated_text' then 'the shard has no other function to take text from'
        when 'outside_mix_share' then 'share ' || $share || ' of codeio'
        else 'turn 1 ended as ' || first_status || ', verdict ' || first_verdict
    end) as detail
from decided
