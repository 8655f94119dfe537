-- One row per conversation of the instruction data: whether a stage of a recipe takes it, and if not, why.
-- Made into the temporary table `conversation_outcomes`.
with decided as (
    select
        sample_id,
        source,
        case
            when sample_id in (select unnest($marked::varchar[])) then 'marked'
            when place_of(sample_id, 'mix') >= $share then 'outside_mix_share'
        end as reason
    from instruction_data
)

select
    sample_id,
    source,
    null::varchar as license,
    side_of(sample_id, $test_ratio, $held_out_ratio) as split,
    reason,
    'stage ' || $stage || ': '
    || case when reason = 'marked' then 'marked as excluded' else 'share ' || $share || ' of instruction' end
        as detail
from decided
