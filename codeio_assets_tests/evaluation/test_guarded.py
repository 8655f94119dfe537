"""Items that loop, sleep, eat memory, raise or end their process cost themselves and no other."""

import os
import signal
import time

from codeio_assets.evaluation.guarded import GuardedPool, ItemLimits


def misbehave(how: str) -> str:
    if how == "loop":
        while True:
            pass
    if how == "sleep":
        time.sleep(3_600)
    if how == "memory":
        return str(len("x" * (1 << 40)))
    if how == "raise":
        raise RuntimeError(how)
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "print":
        print("noise")
    return f"did {how}"


def test_results_come_in_order_and_bad_items_have_none() -> None:
    items = ["a", "loop", "b", "sleep", "raise", "c", "memory", "die", "print", *map(str, range(300))]
    with GuardedPool(misbehave, workers=2, limits=ItemLimits(cpu_s=0.5)) as pool:
        results = list(pool.map(items))
    bad = {"loop", "sleep", "raise", "memory", "die"}
    assert results == [None if item in bad else f"did {item}" for item in items]


def test_a_pool_can_be_used_again_and_closes() -> None:
    with GuardedPool(misbehave, workers=1) as pool:
        assert list(pool.map(["a"])) == ["did a"]
        assert list(pool.map([])) == []
        assert list(pool.map(["b", "c"])) == ["did b", "did c"]
        processes = [worker.process for worker in pool._workers]
    assert not any(process.is_alive() for process in processes)
