-- Every prediction has exactly one verdict.
select
    coalesce(given.prediction_id, judged.prediction_id) as prediction_id,
    judged.status
from (select prediction_id from predictions where part = $partition) as given
full outer join (select prediction_id, status from verdicts where part = $partition) as judged
    on given.prediction_id = judged.prediction_id
where given.prediction_id is null or judged.prediction_id is null
