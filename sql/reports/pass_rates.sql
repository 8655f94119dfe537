-- How often a model is right of several answers to the same task: tasks by pass rate.
-- `never` and `always` teach nothing by reinforcement; the mean is over tasks, each with its own number of samples.
select
    direction,
    source,
    model_id,
    count(*) as tasks,
    round(avg(samples), 1) as samples_per_task,
    round(avg(pass_rate), 4) as mean_pass_rate,
    count(*) filter (where pass_rate = 0) as never,
    count(*) filter (where pass_rate > 0 and pass_rate < 0.1) as below_a_tenth,
    count(*) filter (where pass_rate >= 0.1 and pass_rate <= 0.9) as between_both,
    count(*) filter (where pass_rate > 0.9 and pass_rate < 1) as above_nine_tenths,
    count(*) filter (where pass_rate = 1) as always
from pass_rates
group by direction, source, model_id
order by direction, source, model_id
