-- What a training set was made of, by source and licence of the raw files.
select
    source,
    coalesce(license, 'unknown') as license,
    count(*) as samples,
    count(distinct function_id) as functions
from training_sets
where kind <> 'instruction'
group by all
order by source, samples desc, license
