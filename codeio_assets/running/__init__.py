"""Running a step: beginning and publishing it, asking models, training, progress and retries."""
