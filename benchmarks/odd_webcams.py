"""Random combinations of what webcams do wrong, for as long as one likes.

    python -m benchmarks.odd_webcams --minutes 60 --seed 1

A real server has an odd webcam and a good camera with a viewer each. Every round something goes wrong with the webcam,
clients act at random, and all is mended. The run ends with exit code 1 as soon as the good camera is disturbed, a
viewer gets nothing for too long, the state has another shape than is published, the webcam does not recover, or the log
has a traceback. At the end the Home Assistant component reads every state that was seen, if its environment is there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.server.support.odd_world import OddWorld

ROOT = Path(__file__).parents[1]
_COMPONENT = ROOT / ".cache" / "env-component" / "bin" / "python"
_READ_ALL = """
import sys
from custom_components.pi_mjpeg.api.documents import parse_state
for line in open(sys.argv[1], "rb"):
    parse_state(line)
"""


def main() -> int:
    """Run, and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = OddWorld(folder, arguments.seed)
        world.start()
        code = 0
        try:
            world.round()
            before = world.resources(), world.program.memory
            until = time.monotonic() + 60 * arguments.minutes
            while time.monotonic() < until:
                world.round()
            after = world.resources(), world.program.memory
            world.stop()
        except AssertionError as error:
            print(f"seed {arguments.seed}, round {world.counts['rounds']}: {error}")
            print(world.program.log.read_text()[-3000:])
            world.program.stop()
            return 1
        print(f"seed {arguments.seed}")
        for what, count in sorted(world.counts.items()):
            print(f"{what}: {count}")
        print(f"longest silence {world.longest_silence:.2f} s, longest recovery {world.longest_recovery:.1f} s")
        for when, ((threads, descriptors), memory) in (("first round", before), ("end", after)):
            print(f"{when}: {threads} threads, {descriptors} descriptors, {memory / 1e6:.1f} MB")
        if _COMPONENT.exists():
            states = folder / "states"
            states.write_bytes(b"\n".join(json.dumps(json.loads(each)).encode() for each in world.states))
            code = subprocess.run([_COMPONENT, "-c", _READ_ALL, states], cwd=ROOT, check=False).returncode
            print(f"{len(world.states)} states read by the component: {'all' if code == 0 else 'not all'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
