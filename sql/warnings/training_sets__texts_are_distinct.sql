-- No stage trains on the same prompt with the same completion twice, whatever they came from.
with hashed as (
    select sample_id, stage, source, hash(prompt_json) as prompt, hash(completion) as completion
    from training_sets
    where part = $partition and split = 'train'
)

select sample_id, stage, source
from hashed
qualify row_number() over (partition by stage, prompt, completion order by sample_id) > 1
order by stage, sample_id
