-- Whether harder functions are answered worse: turn 1, tasks grouped by what makes a function hard.
-- Lines of code count those that are not blank, each group spans a doubling; the completion rate is how often a model
-- completed the function, where its source's filters asked. Responses that the machine lost are left out.
with sized as (
    select
        function_id,
        file_id,
        len(list_filter(string_split(reference_code, e'\n'), lambda line : trim(line) <> '')) as code_lines
    from unified_functions
),

rates as (
    select file_id, successes / trials as rate from file_labels where trials > 0
),

judged as (
    select verdicts.direction, verdicts.status, sized.code_lines, rates.rate
    from verdicts
    inner join sized on verdicts.function_id = sized.function_id
    left join rates on sized.file_id = rates.file_id
    where verdicts.turn = 1 and verdicts.status <> 'infrastructure'
),

placed as (
    select
        'lines of reference code' as measure,
        direction,
        status,
        cast(pow(2, floor(log2(greatest(code_lines, 1)))) as double) as level_from,
        cast(2 * pow(2, floor(log2(greatest(code_lines, 1)))) - 1 as double) as level_to
    from judged
    union all
    select
        'completion rate of a model',
        direction,
        status,
        least(floor(rate * 4), 3) / 4,
        least(floor(rate * 4), 3) / 4 + 0.25
    from judged
    where rate is not null
)

select
    measure,
    direction,
    level_from,
    level_to,
    count(*) filter (where status = 'correct') as correct,
    count(*) as total,
    round(count(*) filter (where status = 'correct') / count(*), 4) as share
from placed
group by measure, direction, level_from, level_to
order by measure desc, direction, level_from
