-- How many rows are left after each step, from raw file to training token.
-- A share of files compares with the step before; a share of tasks is always one of all prediction tasks. A task is
-- answered when its response holds a readable answer; `correct after revision` counts the tasks that were right at any
-- turn. Samples are the rows that a stage trains on, held-out rows left out; tokens are those the trainer saw.
with judged as (
    select task_id, turn, status from verdicts
    union all
    select task_id, turn, status from revised_verdicts
),

checkpoints as (
    select * from sft_stage1_checkpoint
    union all
    select * from sft_stage2_checkpoint
),

steps as (
    select 101 as place, 'files' as unit, '' as detail, 'raw files' as step, (select count(*) from raw_code_files) as n
    union all
    select 102, 'files', '', 'eligible files', (select count(*) from eligible_code_files)
    union all
    select 103, 'files', '', 'unified functions', (select count(*) from unified_functions)
    union all
    select 104, 'files', '', 'functions with pairs', (select count(distinct function_id) from io_pairs)
    union all
    select 201, 'pairs', '', 'input/output pairs', (select count(*) from io_pairs)
    union all
    select 301, 'tasks', '', 'prediction tasks', (select count(*) from prediction_tasks)
    union all
    select
        302, 'tasks', '', 'answered at turn 1',
        (select count(*) from verdicts where turn = 1 and status not in ('no_answer', 'infrastructure'))
    union all
    select
        303, 'tasks', '', 'correct at turn 1',
        (select count(*) from verdicts where turn = 1 and status = 'correct')
    union all
    select
        304, 'tasks', '', 'correct after revision',
        (select count(distinct task_id) from judged where status = 'correct')
    union all
    select
        400 + stage, 'samples', part, 'stage ' || stage || ' samples, ' || part,
        count(*) filter (where split = 'train')
    from training_sets
    group by part, stage
    union all
    select
        500 + stage, 'tokens', recipe, 'stage ' || stage || ' tokens, ' || recipe,
        cast(sum(tokens_seen) as bigint)
    from checkpoints
    group by recipe, stage
),

compared as (
    select
        *,
        lag(n) over (order by place, detail) as n_before,
        lag(unit) over (order by place, detail) as unit_before,
        first_value(n) over (partition by unit order by place, detail) as n_first
    from steps
)

select
    row_number() over (order by place, detail) as position,
    step,
    n as rows,
    case
        when unit <> unit_before then null
        when unit = 'files' and n <= n_before and n_before > 0 then round(n / n_before, 4)
        when unit = 'tasks' and n <= n_first and n_first > 0 then round(n / n_first, 4)
    end as share_of_previous,
    unit
from compared
order by position
