-- Which models the rows that a training set was built from came from.
select 'transform' as step, model_id as model, count(*) as rows from unified_functions group by all
union all
select 'predict', model_id, count(*) from predictions group by all
union all
select 'revise', model_id, count(*) from revised_predictions group by all
order by step, model
