// The page: one section per camera. The state is polled every two seconds.
"use strict";

const POLL_MS = 2000;
const STALLED_POLLS = 5;
// The server returns the state at once, but a snapshot may have to wait until the camera has started.
const STATE_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 40_000;
// A browser opens six connections to one server, and this page's requests need one too.
const MAX_LIVE = 4;
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const sections = new Map();

const WORDS = {
  idle: "Waiting for a viewer",
  starting: "Starting",
  live: "Live",
  failing: "No picture",
  stuck: "Stuck",
  off: "Off",
};
// Counts the cameras that were switched: what was asked for before is not true any more.
let switched = 0;

// A screen reader announces changes, so an unchanged text must not be set again every two seconds.
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function count(number, noun) {
  return `${number || "No"} ${noun}${number === 1 ? "" : "s"}`;
}

// Returns the JSON of the response. Throws an Error with a message for the user.
async function ask(path, options = {}, timeout = REQUEST_TIMEOUT_MS) {
  let response;
  let answer;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(timeout) });
    answer = response.status === 204 ? null : await response.json();
  } catch {
    throw new Error("the server does not answer");
  }
  if (response.status === 401) {
    location.href = "login";
  }
  if (!response.ok) {
    throw new Error(answer.error.message);
  }
  return answer;
}

// The first cameras are live. The others show a still, which is requested again after each load. A hidden page has no
// connections, because all tabs share the browser's six.
function connect(section) {
  const image = section.querySelector("img");
  section.stalled = 0;
  if (document.hidden) {
    image.removeAttribute("src");
    return;
  }
  const source = section.live ? `stream?${sizeQuery()}` : "snapshot.jpg?max_age=2000&width=640&";
  image.src = `cameras/${section.camera}/${source}again=${Date.now()}`;
}

function connectLater(section) {
  clearTimeout(section.later);
  section.later = setTimeout(() => connect(section), POLL_MS);
}

function makeSection(id) {
  const section = document.getElementById("camera").content.cloneNode(true).firstElementChild;
  const find = (selector) => section.querySelector(selector);
  section.camera = id;
  section.live = sections.size < MAX_LIVE;
  find("h2").id = `camera-${id}`;
  section.setAttribute("aria-labelledby", `camera-${id}`);
  const picture = find(".picture");
  const image = find("img");
  // An <img> never reconnects by itself.
  image.addEventListener("error", () => {
    picture.classList.add("without");
    connectLater(section);
  });
  image.addEventListener("load", () => {
    picture.classList.remove("without");
    if (!section.live) {
      connectLater(section);
    }
  });
  // On an iPhone only videos can be full screen.
  find(".full").hidden = !document.fullscreenEnabled;
  find(".full").addEventListener("click", () => picture.requestFullscreen());
  // A tablet has no Escape key.
  picture.addEventListener("click", () => document.fullscreenElement && document.exitFullscreen());
  find(".snapshot").addEventListener("click", () => takeSnapshot(id, find("output")));
  find(".focus").addEventListener("click", () => focusCamera(id, find("output")));
  prepareShare(section);
  find(".record").addEventListener("click", () => recordClip(section));
  find(".clips").addEventListener("toggle", () => {
    section.clips = null;
    refresh();
  });
  find(".panel > .power input").addEventListener("change", () => switchCamera(section));
  makeMotion(section);
  return section;
}

function sectionOf(camera) {
  if (!sections.has(camera.id)) {
    const section = makeSection(camera.id);
    sections.set(camera.id, section);
    document.getElementById("cameras").append(section);
    connect(section);
  }
  return sections.get(camera.id);
}

async function takeSnapshot(id, output) {
  output.textContent = "Taking a snapshot…";
  try {
    const answer = await ask(`api/cameras/${id}/snapshots`, { method: "POST" });
    const link = document.createElement("a");
    // Relative to this page, so that it works at any path of a proxy.
    link.href = `snapshots/${answer.id}.jpg${new URL(answer.url).search}`;
    link.download = `${answer.id}.jpg`;
    link.textContent = `Download (${answer.width} × ${answer.height})`;
    output.replaceChildren(link);
  } catch (error) {
    output.textContent = `No snapshot: ${error.message}`;
  }
}

async function focusCamera(id, output) {
  output.textContent = "Focusing…";
  try {
    await ask(`api/cameras/${id}/focus`, { method: "POST" });
    output.textContent = "The picture is sharp.";
  } catch (error) {
    output.textContent = `Not focused: ${error.message}`;
  }
}

// libcamera's name for the mode of the focus: without a lens that moves, there is no such control.
function showFocus(section, camera) {
  const mode = camera.controls.find((control) => control.name === "AfMode");
  const button = section.querySelector(".focus");
  button.hidden = !mode?.options?.includes("Auto");
  button.disabled = !camera.enabled;
}

async function switchCamera(section) {
  const field = section.querySelector(".panel > .power input");
  const problem = section.querySelector(".panel > .problem");
  const enabled = field.checked;
  section.switching = true;
  problem.textContent = "";
  try {
    await ask(`api/cameras/${section.camera}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ enabled }),
    });
  } catch (error) {
    field.checked = section.enabled;
    problem.textContent = `Switching it ${enabled ? "on" : "off"}: ${error.message}`;
  }
  section.switching = false;
  switched += 1;
  refresh();
}

function showPower(section, camera) {
  section.enabled = camera.enabled;
  if (section.switching) {
    return;
  }
  section.querySelector(".panel > .power input").checked = camera.enabled;
  section.querySelector(".snapshot").disabled = !camera.enabled;
  const missing = camera.enabled ? "No picture received; trying again." : "The camera is off.";
  setText(section.querySelector(".missing"), missing);
}

function showViewers(details, viewers) {
  setText(details.querySelector("summary"), count(viewers.length, "viewer"));
  details.querySelector("ul").replaceChildren(
    ...viewers.map((viewer) => {
      const item = document.createElement("li");
      item.textContent = `${viewer.address}, ${viewer.width ? `${viewer.width} pixels wide, ` : ""}${viewer.fps} fps, ${viewer.dropped} frames dropped (${viewer.agent ?? "unknown client"})`;
      return item;
    }),
  );
}

// A connection can die silently, and the <img> then shows its last picture for ever: reconnect when the picture has not
// changed for a while. Two pictures of a real camera are never identical; if they are, a reconnect costs little.
async function reconnectIfStalled(section) {
  const image = section.querySelector("img");
  if (!section.live || image.naturalWidth === 0) {
    return;
  }
  const { width, height } = probe.canvas;
  try {
    // By way of a bitmap: drawn directly, Firefox's canvas shows the stream's first picture for ever.
    probe.drawImage(await createImageBitmap(image), 0, 0, width, height);
  } catch {
    // The image is being reconnected, or its picture cannot be decoded.
    return;
  }
  const now = probe.getImageData(0, 0, width, height).data;
  section.stalled = section.seen?.every((value, at) => value === now[at]) ? section.stalled + 1 : 0;
  section.seen = now;
  if (section.stalled >= STALLED_POLLS) {
    connect(section);
  }
}

function showState(section, words, state, bad) {
  const element = section.querySelector(".state");
  setText(element, words);
  element.dataset.state = state;
  element.classList.toggle("bad", bad);
}

// The pictures of a rotated camera have an EXIF orientation, and the browser shows them upright.
function shownSize(image, { width, height }) {
  const upright = image.naturalWidth < image.naturalHeight;
  return image.naturalWidth && upright !== (width < height) ? [height, width] : [width, height];
}

function showCamera(camera, server) {
  const section = sectionOf(camera);
  setText(section.querySelector("h2"), camera.name);
  section.querySelector("img").alt = `Live picture of ${camera.name}`;
  const [width, height] = shownSize(section.querySelector("img"), camera);
  if (width && height) {
    section.querySelector(".picture").style.aspectRatio = `${width} / ${height}`;
  }
  const words = WORDS[camera.state] ?? camera.state;
  const isBad = camera.enabled && !camera.available;
  showState(section, camera.reason ? `${words}: ${camera.reason}` : words, camera.state, isBad);
  showPower(section, camera);
  showFocus(section, camera);
  const size = width ? `${width} × ${height}` : "size unknown";
  const facts = [size, `${camera.measured_fps} fps`].map((fact) => fact.replaceAll(" ", "\u00a0"));
  setText(section.querySelector(".facts"), [camera.model ?? camera.source, ...facts].join(" · "));
  setText(section.querySelector(".note"), camera.note ?? "");
  showMotion(section, camera);
  showViewers(section.querySelector(".viewers"), camera.viewers);
  showClips(section, camera);
  showControls(section.querySelector(".controls"), camera);
  showShare(section, camera, server);
  reconnectIfStalled(section);
}

function show({ server, cameras }) {
  document.title = server.name;
  // Chromium's <img> fires no event when its stream ends, and keeps the last picture.
  if (document.body.classList.contains("gone")) {
    document.body.classList.remove("gone");
    sections.forEach(connect);
  }
  setText(document.getElementById("name"), server.name);
  document.getElementById("open").hidden = server.auth !== "none";
  document.getElementById("logout").hidden = server.auth === "none";
  const problems = document.getElementById("problems");
  problems.hidden = server.problems.length === 0;
  setText(problems, server.problems.map((problem) => problem.message).join(". "));
  const broker = server.mqtt.error ? `${server.mqtt.state}: ${server.mqtt.error}` : server.mqtt.state;
  setText(document.getElementById("server"), `pi-mjpeg ${server.version} · MQTT ${broker}`);
  // A restarted server may have other cameras.
  for (const [id, section] of sections) {
    if (!cameras.some((camera) => camera.id === id)) {
      sections.delete(id);
      clearTimeout(section.later);
      section.remove();
    }
  }
  cameras.forEach((camera) => showCamera(camera, server));
}

// The last known state may be out of date.
function showError(message) {
  document.body.classList.add("gone");
  setText(document.getElementById("server"), `Trying again: ${message}.`);
  sections.forEach((section) => showState(section, `Unknown: ${message}`, "gone", true));
}

async function refresh() {
  const before = switched;
  let state = null;
  try {
    state = await ask("api/state", {}, STATE_TIMEOUT_MS);
  } catch (error) {
    showError(error.message);
  }
  if (state && switched === before) {
    show(state);
  }
}

async function poll() {
  try {
    await refresh();
  } finally {
    setTimeout(poll, POLL_MS);
  }
}

document.addEventListener("visibilitychange", () => sections.forEach(connect));
// After the page has loaded: a stream that starts earlier keeps the browser "loading" for ever.
addEventListener("load", poll);
