-- How often a chain of thought shows a flaw, by model and source: first turns and revisions together.
-- Flags are read from the text (docs/data_quality.md); `repeats_previous` counts revisions alone. Whether an answer is
-- right plays no part.
with counted as (
    select
        model_id,
        source,
        count(*) as responses,
        count(*) filter (where turn > 1) as revisions,
        cast(
            sum(
                cast(
                    columns(* exclude (prediction_id, task_id, function_id, source, direction, turn, model_id, part))
                    as bigint
                )
            ) as bigint
        ) as '\0'
    from cot_flaws
    group by model_id, source
),

flags as (
    unpivot counted on columns(* exclude (model_id, source, responses, revisions)) into name flaw value rows
)

select
    flaw,
    model_id,
    source,
    rows,
    case flaw when 'repeats_previous' then revisions else responses end as total,
    round(rows / total, 4) as share
from flags
where total > 0
order by model_id, source, share desc, flaw
