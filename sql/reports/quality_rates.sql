-- How much of the data stands there twice or says nothing: duplicates and constant functions, by what was searched.
-- Duplicates count the rows beyond the first of each group of equal ones. Texts are compared by a 64-bit hash, so that
-- none of them has to be kept. Flaws of single responses are counted by `cot_flaws`.
with answered as (
    select status, hash(response) as text from predictions
    union all
    select status, hash(response) from revised_predictions
),

responded as (select * from answered where status <> 'failed'),

rates as (
    select
        1 as place, 'raw files' as what, 'same content as another' as finding,
        count(*) - count(distinct content_sha256) as n, count(*) as total
    from raw_code_files
    union all
    select 2, 'raw files', 'near to an earlier file', count(*) filter (where nearest is not null), count(*)
    from near_duplicate_groups
    union all
    select
        3, 'functions', 'same reference code as another',
        count(*) - count(distinct hash(reference_code)), count(*)
    from unified_functions
    union all
    select
        4, 'functions', 'one output whatever the input',
        count(distinct function_id) filter (where is_degenerate), count(distinct function_id)
    from io_pairs
    union all
    select 5, 'prediction tasks', 'same prompt as another', count(*) - count(distinct hash(prompt)), count(*)
    from prediction_tasks
    union all
    select 6, 'responses', 'same text as another', count(*) - count(distinct text), count(*) from responded
    union all
    select
        7, 'training samples', 'same completion as another of its recipe and stage',
        count(*) - count(distinct hash(part, stage, completion)), count(*)
    from training_sets
    where split = 'train'
)

select what, finding, n as rows, total, round(n / total, 4) as share
from rates
where total > 0
order by place
