-- No function has the same input twice.
select function_id, input_json, count(*) as times
from io_pairs
where part = $partition
group by function_id, input_json
having count(*) > 1
