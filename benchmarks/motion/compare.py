"""Compare this project's motion detector with others on the same pictures, and print one table.

    .cache/env-opencv/bin/python -m benchmarks.motion.compare [--seeds 6]

Each other detector runs with the setting that is best on scenes of its own (`TUNING`), and is judged on the scenes of
`JUDGING`, as this project's is, which has one setting. The exit code is 1 when a target is missed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.motion import cost, film, motion_program, scenes
from benchmarks.motion.judging import Score, Truth, Verdict, judge, sum_up
from benchmarks.motion.rules import RULES
from benchmarks.motion.scenes import FPS, QUIET, Scene, Shot

TUNING = range(20, 21)
JUDGING = 1000
_STREAMS = 27  # that `motion` watches at once

Alarms = dict[tuple[str, str], list[float]]
"""The times of the pictures that count as motion, by detector and setting."""


@dataclass(frozen=True)
class Played:
    """A scene as the detectors of this process saw it. Its pictures are in `file`, for `motion`."""

    truth: Truth
    alarms: Alarms
    file: Path

    def stream(self) -> list[bytes]:
        """Return the pictures."""
        data, pictures, at = self.file.read_bytes(), [], 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            pictures.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        return pictures


def _play(kind: str, seed: int, shots: Iterable[Shot], folder: Path) -> Played:
    detectors = [rule() for rule in RULES]
    alarms: Alarms = defaultdict(list)
    there: list[float] = []
    end = 0.0
    file = folder / f"{kind.replace(' ', '-')}-{seed}"
    with file.open("wb") as pictures:
        for shot in shots:
            pictures.write(len(shot.jpeg).to_bytes(4, "big") + shot.jpeg)
            end = shot.time
            if shot.walker:
                there.append(shot.time)
            for detector in detectors:
                for setting, moves in detector.look(shot).items():
                    alarms[detector.name, setting] += [shot.time] if moves else []
    return Played(Truth(kind, seed, (there[0], there[-1]) if there else None, end), dict(alarms), file)


def _play_scene(job: tuple[bool, int, int, Path]) -> Played:
    walks, seed, place, folder = job
    scene: Scene = (scenes.walkers if walks else scenes.disturbed)(range(seed, seed + 1))[place]
    return _play(scene.kind, scene.seed, scene.shots(), folder)


def _play_all(seeds: range, folder: Path, pool: ProcessPoolExecutor) -> list[Played]:
    jobs = [
        (walks, seed, place, folder)
        for seed in seeds
        for walks, kinds in ((True, scenes.POSITIVE), (False, scenes.NEGATIVE))
        for place in range(len(kinds))
    ]
    return list(pool.map(_play_scene, jobs))


def _ask_motion(played: Sequence[Played], setting: str, folder: Path) -> None:
    """Let `motion` watch scenes, and add what it says to theirs."""
    for start in range(0, len(played), _STREAMS):
        batch = played[start : start + _STREAMS]
        size = (scenes.WIDTH, scenes.HEIGHT)
        run = motion_program.run([one.stream() for one in batch], size, setting, Path(tempfile.mkdtemp(dir=folder)))
        for one, alarms in zip(batch, run.alarms, strict=True):
            one.alarms["motion", setting] = alarms
        print(f"motion, {setting!r}, scenes {start} to {start + len(batch)}: {run.load:.0%} of a core", file=sys.stderr)


def _verdicts(played: Sequence[Played], key: tuple[str, str]) -> list[Verdict]:
    return [judge(one.truth, one.alarms.get(key, [])) for one in played]


def _best(played: Sequence[Played], name: str) -> tuple[str, Score]:
    settings = sorted({setting for one in played for detector, setting in one.alarms if detector == name})
    scores = {setting: sum_up(_verdicts(played, (name, setting))) for setting in settings}
    return max(scores.items(), key=lambda item: item[1].worth)


def _row(name: str, setting: str, played: Sequence[Played], filmed: Played) -> str:
    score = sum_up(_verdicts(played, (name, setting)))
    seen = [alarm for alarm in filmed.alarms.get((name, setting), []) if alarm >= QUIET]
    share = len({round(alarm * FPS) for alarm in seen}) / ((filmed.truth.end - QUIET) * FPS + 1)
    text = setting.replace("\n", ", ")
    return (
        f"| {name} | {text} | {score.found} of {score.walkers} | {score.found / score.walkers:.1%} "
        f"| {score.false} | {score.false / score.hours:.1f} | {score.wrong_scenes:.0%} | {min(1, share):.1%} |"
    )


def _table(keys: Sequence[tuple[str, str]], judged: Sequence[Played], filmed: Played) -> list[str]:
    return [
        "| detector | best setting | walkers found | | false alarms | per hour | empty scenes with one | vtest |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(*key, judged, filmed) for key in keys),
    ]


def _by_kind(played: Sequence[Played], keys: Sequence[tuple[str, str]]) -> list[str]:
    lines = ["| scenes | " + " | ".join(name for name, _ in keys) + " |", "|---|" + "---|" * len(keys)]
    for kind in dict.fromkeys(one.truth.kind for one in played):
        own = [one for one in played if one.truth.kind == kind]
        cells = []
        for key in keys:
            score = sum_up(_verdicts(own, key))
            cells.append(f"{score.found} of {score.walkers}" if score.walkers else f"{score.false} false")
        lines.append(f"| {kind} ({len(own)}) | " + " | ".join(cells) + " |")
    return lines


def main() -> int:
    """Print the table; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6, help="how many scenes of each kind are judged (default: 6)")
    parser.add_argument(
        "--without-motion", action="store_true", help="leave out Debian's motion, which takes real time"
    )
    arguments = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, ProcessPoolExecutor(os.cpu_count()) as pool:
        folder = Path(temporary)
        tuning = _play_all(TUNING, folder, pool)
        judged = _play_all(range(JUDGING, JUDGING + arguments.seeds), folder, pool)
        filmed = _play("vtest", 0, film.shots(), folder)
        keys = [(rule.name, _best(tuning, rule.name)[0]) for rule in RULES]
        print("without motion:", *_table(keys, judged, filmed), sep="\n", file=sys.stderr)
        if not arguments.without_motion:
            for setting in motion_program.SETTINGS:
                _ask_motion(tuning, setting, folder)
            setting = _best(tuning, "motion")[0]
            _ask_motion(judged, setting, folder)
            # The film has another size, so it is watched alone.
            run = motion_program.run([filmed.stream()], film.SIZE, setting, Path(tempfile.mkdtemp(dir=folder)))
            filmed.alarms["motion", setting] = run.alarms[0]
            keys.insert(1, ("motion", setting))
        print(*_table(keys, judged, filmed), sep="\n")
        print("\n" + "\n".join(_by_kind(judged, keys)) + "\n")
        for one in judged:
            verdict = judge(one.truth, one.alarms.get(keys[0], []))
            if verdict.found is False or verdict.false:
                what = (
                    "missed" if verdict.found is False else f"false at {', '.join(f'{t:.1f} s' for t in verdict.false)}"
                )
                print(f"{one.truth.kind}, seed {one.truth.seed}: {what}")
        print()
        cost.report(folder, with_motion=not arguments.without_motion)
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    score = sum_up(_verdicts(judged, keys[0]))
    return int(score.found < 0.97 * score.walkers or score.false > 2 * score.hours)


if __name__ == "__main__":
    sys.exit(main())
