-- Which prompt templates were used, by the hash of their text.
select 'transform' as step, prompt_sha256, count(*) as rows from unified_functions group by all
union all
select 'predict ' || direction, prompt_sha256, count(*) from prediction_tasks group by all
order by step, prompt_sha256
