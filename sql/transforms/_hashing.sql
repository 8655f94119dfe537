-- Deciding by hash, as in `core.method.splits`: where an id lies in [0, 1), and which side of the split it is on.
create or replace temp macro place_of(id, salt) as ('0x' || sha256(salt || ':' || id)[:13])::bigint / pow(16, 13);

create or replace temp macro side_of(id, test_ratio, held_out_ratio) as case
    when place_of(id, 'split') < test_ratio then 'test'
    when place_of(id, 'split') < held_out_ratio then 'validation'
    else 'train'
end;
