-- Every recorded pair of the published data gives its recorded output; otherwise those that do not, with the cause.
select pair_id, result, function_number, pair_index, input_json, output_json, now_json
from published_data_audit
where part = $partition and result <> 'reproduces'
order by result, function_number, pair_index
