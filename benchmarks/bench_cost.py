"""How fast a spec is priced: against torch's FlopCounterMode, fvcore and thop, side by side.

Writes benchmarks/results/cost_speed.json. Expected on one core of a 2020s server: more than 10,000
distinct specs/s warm, the first cost of SDXL under a second, about three minutes in all.

    .venv/bin/python benchmarks/bench_cost.py

What is timed, all in one run with one thread, rounds interleaved:

- warm: `cost(spec)` for distinct designs drawn at random from the shipped space, whose blocks have
  all been traced before and of which none has been priced before. As in a search that is under way,
  as many others have been. The designs exist already: drawing and validating one is timed apart.
  CPU time stands beside wall time, for machines that are shared.
- cold: the same for a search that begins, tracing each block when it first occurs.
- first: `cost(named_spec("sdxl"))` in a fresh process, after the imports.
- others: from a spec to a number, as it is done without a cache: build on `meta` and run
  FlopCounterMode or thop; build and run fvcore, on a CPU because torch.jit cannot trace `meta`, at
  the smallest latent, which flatters fvcore: at the real one it computes for minutes.

Ratios divide the seconds of the others by those of a warm cost. Of SDXL and SnapGen the summary
holds the smaller ratio; the rows hold both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from search_space.blocks import TransformerStack
from search_space.cost import block_cost, cost
from search_space.crosscheck import FORWARD_ORDER, count_operators, light_unet
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.presets import named_spec
from search_space.provenance import provenance
from search_space.sample import draw
from search_space.space import SearchSpace
from search_space.spec import UNetSpec
from search_space.unet import UNet

RESULT = Path(__file__).parent / "results" / "cost_speed.json"
DESIGNS = ("sdxl", "snapgen-t2i")
REPEATS = 1000
FIRST = """
import time, sys
start = time.perf_counter()
import torch
torch.set_num_threads(1)
imported_torch = time.perf_counter()
from search_space.cost import cost
from search_space.presets import named_spec
imported = time.perf_counter()
cost(named_spec({name!r}))
print(time.perf_counter() - imported, imported_torch - start, imported - imported_torch,
      "torch._dynamo" in sys.modules)
"""


Timings = dict[tuple[str, str], list[float]]  # (what is priced, by which tool): seconds each


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--specs", type=int, default=1000, help="designs priced cold, then warm")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]

    timings: Timings = {}
    known, fresh = designs(options.specs)
    say(f"cold: pricing {len(known)} designs as a search that begins")
    timings["space", "walkbench cold"] = [seconds(lambda: price(known)) / len(known)]
    say("tracing the blocks of as many others")
    see_blocks(fresh)
    first: dict[str, list[dict[str, Any]]] = {name: [] for name in DESIGNS}
    chunk = len(fresh) // options.rounds
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        run_round(fresh[number * chunk : (number + 1) * chunk], timings, first, number == 0)
    add_draws(timings, len(known) + len(fresh))

    warm = median(timings["space", "walkbench warm"])
    rows = [row(what, tool, values, warm) for (what, tool), values in timings.items()]
    blocks = {block for spec in known for block, _ in plan(spec).blocks()}
    summary = {
        **summarise(timings, first["sdxl"], rows),
        "blocks_per_s_cold": round(
            len(blocks) / (len(known) * timings["space", "walkbench cold"][0]), 1
        ),
        "specs": len(fresh),
        "rounds": options.rounds,
        "threads": 1,
        "load_average_at_start": round(load, 2),
    }
    result = {"summary": summary, "rows": rows, "provenance": provenance("fvcore", "thop")}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(summary, indent=2))
    say(f"wrote {options.out}")


def run_round(
    part: Sequence[UNetSpec],
    timings: Timings,
    first: dict[str, list[dict[str, Any]]],
    warm_up: bool,
) -> None:
    """Time everything once, ours and theirs in turn."""
    cpu_start = time.process_time()
    timings.setdefault(("space", "walkbench warm"), []).append(
        seconds(lambda: price(part)) / len(part)
    )
    cpu_s = time.process_time() - cpu_start
    timings.setdefault(("space", "walkbench warm, CPU time"), []).append(cpu_s / len(part))
    for name in DESIGNS:
        first[name].append(first_cost(name))
        timings.setdefault((name, "walkbench first"), []).append(first[name][-1]["cost_s"])
        for tool, count in counters(named_spec(name)).items():
            if warm_up and tool != "fvcore":
                count()  # imports, and caches inside torch
            timings.setdefault((name, tool), []).append(seconds(count))
        again_s = seconds(partial(price, [named_spec(name)] * REPEATS)) / REPEATS
        timings.setdefault((name, "walkbench same spec"), []).append(again_s)


def summarise(
    timings: Timings, sdxl: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The figures that documents quote."""
    smallest = {tool: min(ratios(rows, tool)) for tool in ("FlopCounterMode", "fvcore", "thop")}
    return {
        "specs_per_s_warm": round(1 / median(timings["space", "walkbench warm"])),
        "first_sdxl_s": round(median([f["cost_s"] for f in sdxl]), 4),
        "ratio_vs_flop_counter": round(smallest["FlopCounterMode"]),
        "ratio_vs_fvcore": round(smallest["fvcore"]),
        "ratio_vs_thop": round(smallest["thop"]),
        "specs_per_s_warm_by_cpu_time": round(
            1 / median(timings["space", "walkbench warm, CPU time"])
        ),
        "specs_per_s_same_spec": round(1 / median(timings["sdxl", "walkbench same spec"])),
        "specs_per_s_cold": round(1 / timings["space", "walkbench cold"][0], 1),
        "first_sdxl_imported_torchs_compiler": any(f["compiler"] for f in sdxl),
        "import_torch_s": round(median([f["import_torch_s"] for f in sdxl]), 3),
        "import_search_space_s": round(median([f["import_search_space_s"] for f in sdxl]), 3),
    }


def add_draws(timings: Timings, number: int) -> None:
    """Time drawing and validating other designs, which a search pays before it can price one."""
    space = SearchSpace.load("snapgen")
    drawing_s = seconds(lambda: draw(space, number, seed=1))
    timings["space", "draw and validate a design"] = [drawing_s / number]


def price(specs: Sequence[UNetSpec]) -> None:
    for spec in specs:
        cost(spec)


def designs(number: int) -> tuple[list[UNetSpec], list[UNetSpec]]:
    """Distinct designs of the shipped space: those priced cold, and as many others."""
    drawn = list(dict.fromkeys(draw(SearchSpace.load("snapgen"), 2 * number, seed=0)))
    return drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]


def see_blocks(specs: Sequence[UNetSpec]) -> None:
    """Trace the blocks of ``specs`` without pricing any of them."""
    for spec in specs:
        for _, step in plan(spec).steps():
            for block, _ in step.block.parts():
                block_cost(block)
            if isinstance(step.block, TransformerStack):  # its peak is that of one layer
                block_cost(TransformerStack(step.block.projection, step.block.layer, 1))


def counters(spec: UNetSpec) -> dict[str, Callable[[], Any]]:
    """Every way from a spec to its MACs that is timed on a named design."""
    from torch.utils.flop_counter import FlopCounterMode

    def on_meta() -> tuple[UNet, dict[str, torch.Tensor]]:
        with torch.device("meta"):
            return UNet(spec).eval(), example_inputs(spec)

    def flop_counter() -> int:
        unet, inputs = on_meta()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            unet(**inputs)
        return int(counter.get_total_flops())

    def thop() -> int:
        import thop

        unet, inputs = on_meta()
        given = tuple(inputs.get(name) for name in FORWARD_ORDER)
        return int(thop.profile(unet, given, verbose=False)[0])

    def fvcore() -> int:
        import fvcore.nn

        smallest = spec.replace(latent_size=2 ** (len(spec.stages) - 1))
        return sum(count_operators(smallest, light_unet(smallest), fvcore.nn).values())

    return {
        "FlopCounterMode": flop_counter,
        "thop": thop,
        "fvcore": fvcore,
    }


def first_cost(name: str) -> dict[str, Any]:
    """Price ``name`` in a fresh process and say what its imports took."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST.format(name=name)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    cost_s, torch_s, ours_s, compiler = done.stdout.split()
    return {
        "cost_s": float(cost_s),
        "import_torch_s": float(torch_s),
        "import_search_space_s": float(ours_s),
        "compiler": compiler == "True",
    }


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def row(what: str, tool: str, values: Sequence[float], warm: float) -> dict[str, Any]:
    middle = median(values)
    return {
        "what": what,
        "tool": tool,
        "median_s": middle,
        "min_s": min(values),
        "max_s": max(values),
        "n": len(values),
        "times_a_warm_cost": middle / warm,
    }


def ratios(rows: Sequence[dict[str, Any]], tool: str) -> list[float]:
    return [r["times_a_warm_cost"] for r in rows if r["tool"] == tool]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
