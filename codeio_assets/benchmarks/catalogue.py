"""The benchmarks by name, in the order of the paper's Table 1.

What does not live here: what each is (its own module).
"""

from typing import Final

from codeio_assets.benchmarks import bbh, drop, gpqa, gsm8k, leetcode_o, math, mmlu_stem, winogrande, zebralogic
from codeio_assets.benchmarks.contract import Benchmark
from codeio_assets.benchmarks.cruxeval import input as cruxeval_input
from codeio_assets.benchmarks.cruxeval import output as cruxeval_output
from codeio_assets.benchmarks.korbench import benchmark as korbench
from codeio_assets.benchmarks.livebench import benchmark as livebench

BENCHMARKS: Final[dict[str, Benchmark]] = {
    benchmark.name: benchmark
    for benchmark in (
        *(winogrande.BENCHMARK, drop.BENCHMARK, gsm8k.BENCHMARK, math.BENCHMARK, gpqa.BENCHMARK, mmlu_stem.BENCHMARK),
        *(leetcode_o.BENCHMARK, cruxeval_input.BENCHMARK, cruxeval_output.BENCHMARK, bbh.BBH_EN, bbh.BBH_ZH),
        *(zebralogic.BENCHMARK, korbench.BENCHMARK, livebench.BENCHMARK),
    )
}
