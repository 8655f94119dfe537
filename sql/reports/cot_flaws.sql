-- How often a chain of thought shows a flaw, by model and source: first turns and revisions together.
-- Flags are read from the text (docs/data_quality.md); `repeats_previous` counts revisions alone. Whether an answer is
-- right plays no part.
with flags as (
    unpivot cot_flaws
    on columns(* exclude (prediction_id, task_id, function_id, source, direction, turn, model_id, part))
    into name flaw value has_it
)

select
    flaw,
    model_id,
    source,
    count(*) filter (where has_it) as rows,
    count(*) as total,
    round(count(*) filter (where has_it) / count(*), 4) as share
from flags
where flaw <> 'repeats_previous' or turn > 1
group by flaw, model_id, source
order by model_id, source, share desc, flaw
