-- How long prompts and responses are: a histogram per measure, direction and turn.
-- Tokens are those the server counted, reasoning included; characters are those of the response text. Failed requests
-- are left out. All bars of a measure have the same width; the plot takes
-- all turns together.
with answered as (
    select * from predictions
    union all
    select * from revised_predictions
),

measured as (
    select 'prompt tokens' as measure, direction, turn, prompt_tokens as length from answered where status <> 'failed'
    union all
    select 'response tokens', direction, turn, completion_tokens from answered where status <> 'failed'
    union all
    select 'response characters', direction, turn, length(response) from answered where status <> 'failed'
),

widths as (
    select measure, cast(pow(2, ceil(log2(greatest(max(length), 24) / 24.0))) as bigint) as width
    from measured
    group by measure
),

placed as (
    select
        measured.measure,
        measured.direction,
        measured.turn,
        widths.width,
        measured.length // widths.width * widths.width as length_from
    from measured
    inner join widths on measured.measure = widths.measure
)

select
    measure,
    direction,
    turn,
    length_from,
    length_from + width - 1 as length_to,
    count(*) as rows
from placed
group by measure, direction, turn, length_from, width
order by measure, direction, turn, length_from
