"""What runs in the training process, and may import torch at its top. The host never imports it."""
