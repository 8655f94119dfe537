"""What a stage computes, and what share of the hardware's arithmetic that is (MFU).

What lives here: arithmetic over a model's shape and the lengths of its sequences. What does not:
clocks (`process.progress`).

Counted is what the method needs, whatever is recomputed: for each token and weight of a matrix two operations forward
and four backward; the output matrix only where there is a label, since the loss is computed nowhere else; attention
over the tokens before it in the same sample. So for n tokens, m of them labelled, in samples of l tokens:

    6 (W n + H m) + 6 L D sum(l^2)

with W weights in matrices but the output's, H in the output matrix, L layers, D heads times their size. Embeddings are
looked up and cost nothing. MFU is that per second over the dense bfloat16 peak that the maker names.

Source: the count of Chowdhery et al., "PaLM" (arXiv 2204.02311, app. B), with half of its attention (a token sees only
those before it) and without the output matrix at unlabelled tokens: never more than theirs.
"""

from dataclasses import dataclass

PEAKS_TFLOPS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "B200": 2250.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
}
"""Part of a GPU's name -> dense bfloat16 operations per second, in units of 1e12, by its maker's data sheet."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one average token of a stage costs.

    Attributes:
        matrices: Weights in matrices that each token passes, without the output matrix.
        head: Weights in the output matrix.
        attention: Layers times heads times their size.
        labelled_ratio: Share of tokens with a label.
        mean_square_length: Sum of squared sample lengths over the sum of lengths, in tokens.
    """

    matrices: int
    head: int
    attention: int
    labelled_ratio: float
    mean_square_length: float

    @property
    def flops_per_token(self) -> float:
        """Operations per token of a training step."""
        matrices = self.matrices + self.head * self.labelled_ratio
        return 6 * (matrices + self.attention * self.mean_square_length)


def peak_flops(device: str) -> float | None:
    """Return what a device computes per second at most, or None where it is not known."""
    return next((peak * 1e12 for name, peak in PEAKS_TFLOPS.items() if name in device), None)


def mfu(work: Work, tokens_per_s: float, device: str, devices: int = 1) -> float | None:
    """Return the share of the devices' arithmetic that a stage uses, or None where their peak is not known."""
    peak = peak_flops(device)
    return None if peak is None else work.flops_per_token * tokens_per_s / (peak * devices)
