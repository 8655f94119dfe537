-- Which rule of comparison gave the verdicts.
select rule_version, count(*) as verdicts
from (select rule_version from verdicts union all select rule_version from revised_verdicts)
group by rule_version
order by rule_version
