-- No verdict says that the machine or the model server was at fault; such predictions must be made again.
select verdict_id, prediction_id, error_type, feedback
from verdicts
where part = $partition and status = 'infrastructure'
