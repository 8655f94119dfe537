-- Of the eligible files of a shard at least the expected share is left (`yields`); otherwise how many are, and the main reason.
with given as (select count(*) as items from eligible_code_files where part = $partition),

kept as (select count(*) as items from unified_functions where part = $partition),

reasons as (select reason, count(*) as items from unified_functions_rejections where part = $partition group by reason)

select
    given.items as given,
    kept.items as kept,
    round(kept.items / given.items, 4) as share,
    (select arg_max(reason, items) from reasons) as main_reason,
    (select max(items) from reasons) as items_with_it
from given, kept
where given.items >= $min_items and kept.items > 0 and kept.items < $yield_unified_functions * given.items
