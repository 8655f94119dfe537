-- What holds of the marks now, a row per item: exclude if anybody says so, else accept if anybody does; whether
-- somebody flags it; how many notes there are.
with decided as (
    select item_id, mark
    from marks
    where mark in ('accept', 'exclude', 'clear')
    qualify row_number() over (partition by item_id, person order by marked_at desc, mark_id desc) = 1
),

flagged as (
    select item_id, mark
    from marks
    where mark in ('flag', 'clear')
    qualify row_number() over (partition by item_id, person order by marked_at desc, mark_id desc) = 1
)

select
    item_id,
    any_value(kind) as kind,
    case
        when item_id in (select item_id from decided where mark = 'exclude') then 'exclude'
        when item_id in (select item_id from decided where mark = 'accept') then 'accept'
        else ''
    end as decision,
    item_id in (select item_id from flagged where mark = 'flag') as is_flagged,
    count(*) filter (where note <> '') as notes
from marks
group by item_id
