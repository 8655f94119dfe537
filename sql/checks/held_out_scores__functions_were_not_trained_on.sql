-- No function whose prompts were answered for the score has a sample among the training rows of the recipe.
select distinct answers.function_id, samples.stage, samples.sample_id
from (select distinct function_id from held_out_answers where part = $partition) as answers
inner join training_sets as samples on answers.function_id = samples.function_id
where samples.part = $partition and samples.split = 'train'
