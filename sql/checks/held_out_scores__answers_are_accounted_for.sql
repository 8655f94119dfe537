-- Every score counts the answers that are there, and all models answered the same prompts.
with counted as (
    select model, direction, count(*) as answers, count(*) filter (where status = 'correct') as correct
    from held_out_answers
    where part = $partition
    group by model, direction
),

scored as (
    select model, subject, answers, correct from held_out_scores where part = $partition
)

select
    scored.model,
    scored.subject,
    scored.answers,
    coalesce(counted.answers, 0) as found,
    max(scored.answers) over (partition by scored.subject) as most
from scored
left join counted on scored.model = counted.model and scored.subject = counted.direction
qualify scored.answers != found or scored.correct != coalesce(counted.correct, 0) or scored.answers != most
