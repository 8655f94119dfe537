-- The functions whose calls took most CPU time when their shard was last sampled: the twenty slowest.
-- All calls count, of the input generator as well; `share` is that of all the CPU time that sampling the shard took.
select
    function_costs.function_id,
    unified_functions.source,
    unified_functions.path,
    function_costs.calls,
    round(function_costs.cpu_s, 3) as cpu_s,
    round(function_costs.shard_share, 4) as share
from function_costs
inner join unified_functions on function_costs.function_id = unified_functions.function_id
order by function_costs.cpu_s desc, function_costs.function_id
limit 20
