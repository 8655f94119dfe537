-- Functions whose pairs did not pass execution, by reason: what the targets of an export were checked for.
select reason, count(*) as functions
from io_pairs_rejections
group by reason
order by functions desc, reason
