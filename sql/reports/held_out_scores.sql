-- How base model, stage 1 and stage 2 of each recipe do on held-out functions: share of greedy answers that execution
-- finds correct, and loss per completion token, with 95% confidence intervals.
select
    recipe,
    model,
    subject,
    answers,
    without_value,
    correct,
    accuracy,
    accuracy_low,
    accuracy_high,
    loss_rows,
    loss,
    loss_low,
    loss_high
from held_out_scores
order by recipe, subject, model
