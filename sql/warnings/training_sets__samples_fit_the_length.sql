-- At most the set share of samples is longer than `max_length` of its stage (`max_too_long_ratio`); otherwise those that are.
-- Tokens are estimated, 3.5 characters to one; the audit before training counts those of its own model.
with sized as (
    select sample_id, stage, source, cast((length(prompt_json) + length(completion)) / 3.5 as bigint) as estimated_tokens
    from training_sets
    where part = $partition and split = 'train'
)

select sample_id, stage, source, estimated_tokens, $max_lengths[stage] as max_length
from sized
where
    estimated_tokens > $max_lengths[stage]
    and (
        select count(*) filter (where estimated_tokens > $max_lengths[stage]) > $max_too_long_ratio * count(*) from sized
    )
order by estimated_tokens desc, sample_id
