// The page: one section for each camera, its state asked for every two seconds.
"use strict";

const POLL_MS = 2000;
const STALLED_POLLS = 5;
// A browser has six connections to one server; what this page asks needs one too.
const LIVE_AT_MOST = 4;
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const sections = new Map();

const WORDS = {
  idle: "waiting for a viewer",
  starting: "starting",
  live: "live",
  failing: "no picture",
  stuck: "stuck",
};

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// Live for the first few cameras; the others show a still, and a new one each time that one has come.
function connect(section, camera) {
  const what = section.live ? "stream?" : "snapshot.jpg?max_age=2000&width=640&";
  section.querySelector("img").src = `cameras/${camera.id}/${what}again=${Date.now()}`;
  section.stalled = 0;
}

function sectionOf(camera) {
  if (sections.has(camera.id)) {
    return sections.get(camera.id);
  }
  const section = document.getElementById("camera").content.cloneNode(true).firstElementChild;
  const heading = section.querySelector("h2");
  heading.id = `camera-${camera.id}`;
  section.setAttribute("aria-labelledby", heading.id);
  section.live = sections.size < LIVE_AT_MOST;
  // An <img> whose connection ended never asks again by itself.
  section.querySelector("img").addEventListener("error", () => setTimeout(() => connect(section, camera), POLL_MS));
  section.querySelector("img").addEventListener("load", () => {
    if (!section.live) {
      setTimeout(() => connect(section, camera), POLL_MS);
    }
  });
  section.querySelector(".full").addEventListener("click", () => section.querySelector(".picture").requestFullscreen());
  section.querySelector(".snapshot").addEventListener("click", () => takeSnapshot(camera.id, section.querySelector("output")));
  document.getElementById("cameras").append(section);
  sections.set(camera.id, section);
  connect(section, camera);
  return section;
}

async function answerOf(response) {
  if (response.status === 401) {
    location.href = "login";
  }
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.error.message);
  }
  return answer;
}

async function takeSnapshot(id, output) {
  output.textContent = "Taking it…";
  try {
    const answer = await answerOf(await fetch(`api/cameras/${id}/snapshots`, { method: "POST" }));
    const link = document.createElement("a");
    // Below this page, whatever path a proxy serves it under.
    link.href = `snapshots/${answer.id}.jpg${new URL(answer.url).search}`;
    link.download = `${answer.id}.jpg`;
    link.textContent = `Download (${answer.width} × ${answer.height})`;
    output.replaceChildren(link);
  } catch (error) {
    output.textContent = error.message;
  }
}

function showViewers(details, viewers) {
  details.hidden = viewers.length === 0;
  details.querySelector("summary").textContent = plural(viewers.length, "viewer");
  details.querySelector("ul").replaceChildren(
    ...viewers.map((viewer) => {
      const item = document.createElement("li");
      item.textContent = `${viewer.address}, ${viewer.fps} pictures a second, ${viewer.dropped} left out (${viewer.agent ?? "no name"})`;
      return item;
    }),
  );
}

// A connection can die without a word, and the <img> then shows its last picture for ever: connect again when
// nothing has moved for a while. A real camera's picture is never twice the same; if one is, this costs little.
function reconnectIfStalled(section, camera) {
  const image = section.querySelector("img");
  if (!section.live || image.naturalWidth === 0) {
    return;
  }
  const { width, height } = probe.canvas;
  probe.drawImage(image, 0, 0, width, height);
  const now = probe.getImageData(0, 0, width, height).data.join();
  section.stalled = now === section.seen ? section.stalled + 1 : 0;
  section.seen = now;
  if (section.stalled >= STALLED_POLLS) {
    connect(section, camera);
  }
}

function show(camera) {
  const section = sectionOf(camera);
  section.querySelector("h2").textContent = camera.name;
  section.querySelector("img").alt = `Live picture of ${camera.name}`;
  if (camera.width && camera.height) {
    section.querySelector(".picture").style.aspectRatio = `${camera.width} / ${camera.height}`;
  }
  const state = section.querySelector(".state");
  const words = WORDS[camera.state] ?? camera.state;
  const text = camera.reason ? `${words}: ${camera.reason}` : words;
  // A screen reader says what changes; it must not be told the same every two seconds.
  if (state.textContent !== text) {
    state.textContent = text;
  }
  state.classList.toggle("bad", !camera.available);
  const size = camera.width ? `${camera.width} × ${camera.height}` : "size unknown";
  section.querySelector(".facts").textContent = `${camera.model ?? camera.source} · ${size} · ${camera.measured_fps} pictures a second`;
  showViewers(section.querySelector(".viewers"), camera.viewers);
  showControls(section.querySelector(".controls"), camera);
  reconnectIfStalled(section, camera);
}

async function poll() {
  const server = document.getElementById("server");
  try {
    const state = await answerOf(await fetch("api/state"));
    document.title = state.server.name;
    document.getElementById("name").textContent = state.server.name;
    document.getElementById("open").hidden = state.server.auth !== "none";
    document.getElementById("logout").hidden = state.server.auth === "none";
    server.textContent = `pi-mjpeg ${state.server.version} · MQTT ${state.server.mqtt.state}`;
    server.classList.remove("bad");
    state.cameras.forEach(show);
  } catch {
    server.textContent = "The server does not answer; trying again.";
    server.classList.add("bad");
  }
  setTimeout(poll, POLL_MS);
}

// Not before the page is there: a live picture that begins earlier keeps the browser "loading" for ever.
addEventListener("load", poll);
