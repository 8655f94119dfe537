"""What runs in the training process, and may import torch at its top. The host never imports it.

More modules than a room usually has: one per thing that a trainer may do otherwise, so that each is tried alone.
"""
