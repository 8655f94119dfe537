-- Whether chains of thought say what the execution had, by verdict: of the responses with a statement such as "total is
-- 7" that can be checked, how many have one that the execution never bore out. Prose has false alarms: a score only.
with judged as (
    select prediction_id, status from verdicts
    union all
    select prediction_id, status from revised_verdicts
),

answered as (
    select prediction_id, model_id from predictions
    union all
    select prediction_id, model_id from revised_predictions
)

select
    cot_grounding.direction,
    answered.model_id,
    judged.status as verdict,
    count(*) filter (where cot_grounding.statements > 0) as responses,
    sum(cot_grounding.statements)::bigint as statements,
    sum(cot_grounding.grounded)::bigint as grounded,
    count(*) filter (where cot_grounding.grounded < cot_grounding.statements) as with_an_ungrounded_one,
    round(with_an_ungrounded_one / nullif(responses, 0), 4) as share,
    sum(cot_grounding.state_lines)::bigint as state_lines,
    sum(cot_grounding.right_state_lines)::bigint as right_state_lines
from cot_grounding
inner join judged on cot_grounding.prediction_id = judged.prediction_id
inner join answered on cot_grounding.prediction_id = answered.prediction_id
group by cot_grounding.direction, answered.model_id, judged.status
order by cot_grounding.direction, answered.model_id, judged.status
