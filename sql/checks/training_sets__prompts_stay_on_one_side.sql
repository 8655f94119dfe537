-- No prompt about code is both trained on and held out.
with hashed as (
    select sample_id, split, source, hash(prompt_json) as prompt
    from training_sets
    where part = $partition and kind <> 'instruction'
),

shared as (
    select prompt from hashed group by prompt having count(distinct split) > 1
)

select sample_id, split, source
from hashed
where prompt in (select prompt from shared)
order by sample_id
