-- Items that somebody has excluded: of each person the last word on an item counts, notes and flags aside.
select distinct item_id
from (
    select item_id, mark
    from marks
    where mark in ('accept', 'exclude', 'clear')
    qualify row_number() over (partition by item_id, person order by marked_at desc, mark_id desc) = 1
) as last_words
where mark = 'exclude'
order by item_id
