-- Deciding by hash, as in `core.method.splits`: where an id lies in [0, 1), and which side of the split it is on.
create or replace temp macro place_of(id, salt) as ('0x' || sha256(salt || ':' || id)[:13])::bigint / pow(16, 13);

create or replace temp macro side_of(id, test_ratio, held_out_ratio) as case
    when place_of(id, 'split') < test_ratio then 'test'
    when place_of(id, 'split') < held_out_ratio then 'validation'
    else 'train'
end;

-- The reasons of `_function_places.sql` in words.
create or replace temp macro told_of_function(reason, source, license, split, fraction) as case reason
    when 'marked' then 'marked as excluded'
    when 'leaked' then 'shares an n-gram with a question of a benchmark'
    when 'source_left_out' then 'source ' || source
    when 'outside_fraction' then 'outside the fraction ' || fraction
    when 'license_unknown' then 'the source states no licence'
    when 'license_not_allowed' then 'licence ' || license
    when 'near_another_side' then 'its file is also near to files on another side of the split than ' || split
end;
