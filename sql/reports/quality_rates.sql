-- How often something is found that makes data worse, by what was searched.
-- Duplicates count the rows beyond the first of each group of equal ones; a fenced code block breaks the prompt's rule
-- that the reasoning is prose; a repeated response is a revision with the very text of the turn before.
-- Texts are compared by a 64-bit hash, so that none of them has to be kept.
with answered as (
    select task_id, turn, status, response, hash(response) as text from predictions
    union all
    select task_id, turn, status, response, hash(response) from revised_predictions
),

responded as (select * from answered where status <> 'failed'),

revised as (
    select after.text = before.text as is_repeated
    from responded as after
    inner join responded as before on after.task_id = before.task_id and after.turn = before.turn + 1
),

judged as (select status from verdicts union all select status from revised_verdicts),

rates as (
    select
        1 as place, 'functions' as what, 'same reference code as another' as finding,
        count(*) - count(distinct hash(reference_code)) as n, count(*) as total
    from unified_functions
    union all
    select
        2, 'functions', 'one output whatever the input',
        count(distinct function_id) filter (where is_degenerate), count(distinct function_id)
    from io_pairs
    union all
    select 3, 'prediction tasks', 'same prompt as another', count(*) - count(distinct hash(prompt)), count(*)
    from prediction_tasks
    union all
    select 4, 'responses', 'same text as another', count(*) - count(distinct text), count(*) from responded
    union all
    select 5, 'responses', 'cut off at the token limit', count(*) filter (where status = 'truncated'), count(*)
    from responded
    union all
    select 6, 'responses', 'refused', count(*) filter (where status = 'refused'), count(*) from responded
    union all
    select
        7, 'responses', 'fenced code block',
        count(*) filter (where regexp_matches(response, '```[ \t]*(python|py|javascript|java|cpp|c)\b', 'i')), count(*)
    from responded
    union all
    select 8, 'responses', 'no readable answer', count(*) filter (where status = 'no_answer'), count(*) from judged
    union all
    select 9, 'revisions', 'repeated response', count(*) filter (where is_repeated), count(*) from revised
    union all
    select
        10, 'training samples', 'same completion as another of its recipe and stage',
        count(*) - count(distinct hash(part, stage, completion)), count(*)
    from training_sets
    where split = 'train'
)

select what, finding, n as rows, total, round(n / total, 4) as share
from rates
where total > 0
order by place
