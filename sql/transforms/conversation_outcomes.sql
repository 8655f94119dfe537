-- One row per conversation of the instruction data: whether a stage of a recipe takes it, and if not, why.
-- Made into the temporary table `conversation_outcomes`.
select
    sample_id,
    source,
    null::varchar as license,
    side_of(sample_id, $test_ratio, $held_out_ratio) as split,
    case when place_of(sample_id, 'mix') >= $share then 'outside_mix_share' end as reason,
    'stage ' || $stage || ': share ' || $share || ' of instruction' as detail
from instruction_data
