"""What the definitions share: stages, partitions, metadata keys, publishing, checks, automation."""
