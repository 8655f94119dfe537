-- What each stage of each recipe was trained on, and what became of the loss on held-out rows.
-- Losses are means over completion tokens; the share of padding and the epochs come from the token audit.
select
    recipe,
    stage,
    base_model,
    steps,
    train_rows,
    validation_rows,
    tokens_seen,
    cast(json_extract_string(audit_json, '$.epochs_implied') as double) as epochs,
    cast(json_extract_string(audit_json, '$.padding_ratio') as double) as padding_ratio,
    loss_before,
    loss_after,
    checkpoint_sha256
from (
    select * from sft_stage1_checkpoint
    union all
    select * from sft_stage2_checkpoint
)
order by recipe, stage
