-- How many verdicts of a shard are right, by direction, turn and model: what `verdict_history` keeps of each version.
select
    verdicts.source,
    verdicts.direction,
    verdicts.turn,
    predictions.model_id,
    count(*) filter (where verdicts.status = 'correct') as correct,
    count(*) as total
from verdicts
inner join predictions on verdicts.prediction_id = predictions.prediction_id and verdicts.part = predictions.part
where verdicts.part = $partition and verdicts.status <> 'infrastructure'
group by verdicts.source, verdicts.direction, verdicts.turn, predictions.model_id
order by verdicts.source, verdicts.direction, verdicts.turn, predictions.model_id
