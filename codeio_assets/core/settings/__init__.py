"""Settings that people edit: codeio.yaml, sources.yaml and recipes, as frozen records that refuse unknown keys."""
