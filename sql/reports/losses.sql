-- The loss of each recipe and stage: of training as logged, and on held-out rows before the first and after the last step.
-- All are means per completion token; steps count from the start of the stage.
with logs as (
    select recipe, stage, step, loss from sft_stage1_training_log
    union all
    select recipe, stage, step, loss from sft_stage2_training_log
),

checkpoints as (
    select recipe, stage, steps, loss_before, loss_after from sft_stage1_checkpoint
    union all
    select recipe, stage, steps, loss_before, loss_after from sft_stage2_checkpoint
),

series as (
    select recipe, stage, 'training' as series, step, loss from logs
    union all
    select recipe, stage, 'held out', 0, loss_before from checkpoints where loss_before is not null
    union all
    select recipe, stage, 'held out', steps, loss_after from checkpoints where loss_after is not null
)

select * from series
order by recipe, stage, series, step
