-- What came of each request that asked a model for a function: attempt 1 asks, later ones repair with the error told.
-- `function` means that the file became a function that runs; everything else is a reason code.
select
    attempt,
    coalesce(reason, 'function') as outcome,
    count(*) as rows,
    round(count(*) / sum(count(*)) over (partition by attempt), 4) as share
from transform_attempts
group by attempt, outcome
order by attempt, outcome <> 'function', rows desc, outcome
