"""AdamW for a model whose weights are bfloat16: it updates a float32 copy of each and rounds it back.

What lives here: the optimiser. What does not: sharded training, where FSDP keeps float32 shards beside bfloat16
weights by itself.

Gradients are summed up in float32 (grad_dtype), and what is saved and resumed is the float32 copy, so that a
step is what it is under autocast: bfloat16 matrix products, float32 everything that is added up.
"""
# torch is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from typing import Any

# torch's stubs hide the grouped copies; delete when they do not.
# pyright: reportPrivateImportUsage=false, reportArgumentType=false
import torch


class MasterAdamW(torch.optim.Optimizer):
    """Takes a float32 model's weights as they are for its copies, and leaves bfloat16 ones in the model."""

    def __init__(self, params: Any, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})
        self.weights: list[torch.nn.Parameter] = [weight for group in self.param_groups for weight in group["params"]]
        self.masters = [torch.nn.Parameter(weight.data.float()) for weight in self.weights]
        rest = iter(self.masters)
        groups = [{**group, "params": [next(rest) for _ in group["params"]]} for group in self.param_groups]
        self.inner = torch.optim.AdamW(groups, lr=lr, fused=self.weights[0].is_cuda)
        for weight in self.weights:
            weight.data = weight.data.to(torch.bfloat16)
            weight.grad_dtype = torch.float32

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update the copies, and round them into the model."""
        for mine, its in zip(self.param_groups, self.inner.param_groups, strict=True):
            its["lr"] = mine["lr"]
        for weight, master in zip(self.weights, self.masters, strict=True):
            master.grad = weight.grad
        self.inner.step()
        for master in self.masters:
            master.grad = None
        self._round()

    @torch.no_grad()
    def _round(self) -> None:
        torch._foreach_copy_(self.weights, self.masters)  # pyright: ignore[reportPrivateUsage]

    def state_dict(self) -> dict[str, Any]:
        """Return the copies and AdamW's state."""
        masters = [master.detach() for master in self.masters]
        groups = super().state_dict()["param_groups"]
        return {"state": {}, "param_groups": groups, "inner": self.inner.state_dict(), "masters": masters}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned, and round it into the model."""
        super().load_state_dict({"state": {}, "param_groups": state_dict["param_groups"]})
        self.inner.load_state_dict(state_dict["inner"])
        for master, saved in zip(self.masters, state_dict["masters"], strict=True):
            master.copy_(saved)
        self._round()

    def restore(self) -> None:
        """Put the float32 copies into the model, to be saved; there is no training after that."""
        for weight, master in zip(self.weights, self.masters, strict=True):
            weight.data = master.data
