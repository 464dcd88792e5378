// The clips of a camera: recording one, and the list of those that are kept.
"use strict";

const AFTER_SECONDS = 10;

// Relative to this page, so that it works at any path of a proxy.
function clipPath(clip, kind, url) {
  return `clips/${clip.id}.${kind}${new URL(url).search}`;
}

function clipName(clip) {
  return `${new Date(clip.time).toLocaleString()}, ${clip.duration.toFixed(0)} s`;
}

async function recordClip(section) {
  const output = section.querySelector("output");
  output.textContent = `Recording for ${AFTER_SECONDS} s…`;
  try {
    const clip = await ask(
      `api/cameras/${section.camera}/clips`,
      {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ after: AFTER_SECONDS }),
      },
      REQUEST_TIMEOUT_MS + 1000 * AFTER_SECONDS,
    );
    output.textContent = `Recorded ${clip.before.toFixed(1)} s before and ${clip.after.toFixed(1)} s after.`;
    section.clips = null;
    refresh();
  } catch (error) {
    output.textContent = `No clip: ${error.message}`;
  }
}

// A press shows the clip at its own pace in place of its thumbnail, and another one ends that.
function makeClip(clip) {
  const item = document.createElement("li");
  item.dataset.url = clip.url;
  const play = document.createElement("button");
  const image = document.createElement("img");
  const still = clipPath(clip, "jpg", clip.thumbnail_url);
  play.type = "button";
  play.setAttribute("aria-pressed", "false");
  image.src = still;
  image.loading = "lazy";
  image.width = clip.width;
  image.height = clip.height;
  image.alt = `Play the clip of ${clipName(clip)}`;
  play.append(image);
  play.addEventListener("click", () => {
    const isPlaying = play.getAttribute("aria-pressed") === "true";
    play.setAttribute("aria-pressed", String(!isPlaying));
    image.src = isPlaying ? still : clipPath(clip, "mjpeg", clip.url);
  });
  const link = document.createElement("a");
  link.href = clipPath(clip, "bin", clip.download_url);
  link.download = `${clip.id}.mjpeg`;
  link.textContent = `${clipName(clip)} (${clip.trigger})`;
  item.append(play, link);
  return item;
}

// What was listed before stays: a clip that plays goes on, and what had the focus keeps it.
function showList(list, clips) {
  const focused = document.activeElement;
  const before = new Map([...list.children].map((item) => [item.dataset.url, item]));
  list.replaceChildren(...clips.map((clip) => before.get(clip.url) ?? makeClip(clip)));
  if (list.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

async function listClips(section) {
  const details = section.querySelector(".clips");
  const problem = details.querySelector(".problem");
  try {
    const { clips } = await ask(`api/cameras/${section.camera}/clips`);
    problem.textContent = "";
    showList(details.querySelector("ul"), clips);
    setText(details.querySelector("summary"), count(clips.length, "clip"));
  } catch (error) {
    section.clips = null;
    problem.textContent = `The clips cannot be listed: ${error.message}`;
  }
}

// The list is fetched when it is opened, and again when there is another last clip.
function showClips(section, camera) {
  const details = section.querySelector(".clips");
  details.hidden = camera.clip === null;
  section.querySelector(".record").disabled = !camera.enabled;
  section.querySelector(".recording").hidden = !camera.recording;
  const last = camera.clip?.id ?? null;
  if (last === null) {
    details.querySelector("ul").replaceChildren();
  } else if (details.open && section.clips !== last) {
    section.clips = last;
    listClips(section);
  }
}
