"""The configuration of one camera."""

from dataclasses import dataclass, field

from pi_mjpeg_server.sources import SourceSettings


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera as configured.

    `source` is the kind of source, `linger` the seconds for which the camera goes on capturing after the last viewer
    has left, and `requested` the settings that the source is to use. No still is taken in the first `warm_up` seconds
    of each capture. A camera that is `always_on` captures without viewers too. `preroll` is how many seconds are held
    in memory while the camera runs, for clips, and with `record_on_motion` each motion is recorded as one.
    """

    id: str
    name: str
    source: str = "auto"
    linger: float = 10
    requested: SourceSettings = field(default_factory=SourceSettings)
    warm_up: float = 0
    always_on: bool = False
    preroll: float = 5
    record_on_motion: bool = False
