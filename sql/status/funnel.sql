-- The way from raw file to verdict, as the commits counted it. A share of files compares with the step before it, one of
-- tasks with all prediction tasks.
with counts as (
    select 1 as position, 'raw files' as step, rows as n from manifests where asset = 'raw_code_files'
    union all
    select 2, 'eligible files', rows from manifests where asset = 'eligible_code_files'
    union all
    select 3, 'functions', rows from manifests where asset = 'unified_functions'
    union all
    select 4, 'functions with pairs', items_out from manifests where asset = 'io_pairs'
    union all
    select 5, 'input/output pairs', rows from manifests where asset = 'io_pairs'
    union all
    select 6, 'prediction tasks', rows from manifests where asset = 'prediction_tasks'
    union all
    select 7, 'correct at turn 1', coalesce(cast(info ->> '$.verdicts_by_status.correct' as bigint), 0)
    from manifests where asset = 'verdicts'
    union all
    select 8, 'correct after revision', coalesce(cast(info ->> '$.verdicts_by_status.correct' as bigint), 0)
    from manifests where asset = 'verdicts'
    union all
    select
        8, 'correct after revision',
        cast(list_sum(list_transform(
            list_filter(cast(info -> '$.flow' as json []), lambda step: step ->> '$.to' = 'correct'),
            lambda step: cast(step ->> '$.count' as bigint)
        )) as bigint)
    from manifests where asset = 'revised_predictions'
),

summed as (
    select position, step, cast(coalesce(sum(n), 0) as bigint) as n
    from counts
    group by position, step
)

select
    step,
    n as rows,
    case
        when position in (2, 3, 4) then round(n / nullif(lag(n) over (order by position), 0), 4)
        when position in (7, 8)
            then round(n / nullif((select n from summed where position = 6), 0), 4)
    end as share_of_previous
from summed
order by position
