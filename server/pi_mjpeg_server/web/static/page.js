// The page: one section for each camera, its state asked for every two seconds.
"use strict";

const POLL_MS = 2000;
const STALLED_POLLS = 5;
// A state comes at once. A snapshot may have to wait until the camera has started.
const STATE_WITHIN_MS = 10_000;
const DONE_WITHIN_MS = 40_000;
// A browser has six connections to one server; what this page asks needs one too.
const LIVE_AT_MOST = 4;
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

// A screen reader says what changes; it must not be told the same every two seconds.
function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function count(number, noun) {
  return `${number || "No"} ${noun}${number === 1 ? "" : "s"}`;
}

// Returns what the server answers. Throws an Error whose message is for people.
async function ask(path, options = {}, within = DONE_WITHIN_MS) {
  let response;
  let answer;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(within) });
    answer = await response.json();
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

// Live for the first few cameras; the others show a still, and a new one each time that one has come. A hidden page
// holds no connection: nobody looks, and all tabs share the browser's six.
function connect(section) {
  const image = section.querySelector("img");
  section.stalled = 0;
  if (document.hidden) {
    image.removeAttribute("src");
    return;
  }
  const what = section.live ? "stream?" : "snapshot.jpg?max_age=2000&width=640&";
  image.src = `cameras/${section.camera}/${what}again=${Date.now()}`;
}

function connectLater(section) {
  clearTimeout(section.later);
  section.later = setTimeout(() => connect(section), POLL_MS);
}

function makeSection(id) {
  const section = document.getElementById("camera").content.cloneNode(true).firstElementChild;
  const find = (selector) => section.querySelector(selector);
  section.camera = id;
  section.live = sections.size < LIVE_AT_MOST;
  find("h2").id = `camera-${id}`;
  section.setAttribute("aria-labelledby", `camera-${id}`);
  const picture = find(".picture");
  const image = find("img");
  // An <img> whose connection ended never asks again by itself.
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
  // An iPhone shows nothing but videos on its full screen.
  find(".full").hidden = !document.fullscreenEnabled;
  find(".full").addEventListener("click", () => picture.requestFullscreen());
  // A tablet on the wall has no Escape.
  picture.addEventListener("click", () => document.fullscreenElement && document.exitFullscreen());
  find(".snapshot").addEventListener("click", () => takeSnapshot(id, find("output")));
  find(".power input").addEventListener("change", () => switchCamera(section));
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
  output.textContent = "Taking it…";
  try {
    const answer = await ask(`api/cameras/${id}/snapshots`, { method: "POST" });
    const link = document.createElement("a");
    // Below this page, whatever path a proxy serves it under.
    link.href = `snapshots/${answer.id}.jpg${new URL(answer.url).search}`;
    link.download = `${answer.id}.jpg`;
    link.textContent = `Download (${answer.width} × ${answer.height})`;
    output.replaceChildren(link);
  } catch (error) {
    output.textContent = `No snapshot: ${error.message}`;
  }
}

async function switchCamera(section) {
  const field = section.querySelector(".power input");
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
  section.querySelector(".power input").checked = camera.enabled;
  section.querySelector(".snapshot").disabled = !camera.enabled;
  const missing = camera.enabled ? "The picture does not come; trying again." : "The camera is off.";
  say(section.querySelector(".missing"), missing);
}

function showViewers(details, viewers) {
  say(details.querySelector("summary"), count(viewers.length, "viewer"));
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
async function reconnectIfStalled(section) {
  const image = section.querySelector("img");
  if (!section.live || image.naturalWidth === 0) {
    return;
  }
  const { width, height } = probe.canvas;
  try {
    // Not drawn at once: Firefox's canvas would see the stream's first picture for ever.
    probe.drawImage(await createImageBitmap(image), 0, 0, width, height);
  } catch {
    // It was just being connected anew, or its picture does not decode.
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
  say(element, words);
  element.dataset.state = state;
  element.classList.toggle("bad", bad);
}

// A turned camera's pictures say so themselves, and the browser shows them upright.
function shownSize(image, { width, height }) {
  const upright = image.naturalWidth < image.naturalHeight;
  return image.naturalWidth && upright !== (width < height) ? [height, width] : [width, height];
}

function showCamera(camera) {
  const section = sectionOf(camera);
  say(section.querySelector("h2"), camera.name);
  section.querySelector("img").alt = `Live picture of ${camera.name}`;
  const [width, height] = shownSize(section.querySelector("img"), camera);
  if (width && height) {
    section.querySelector(".picture").style.aspectRatio = `${width} / ${height}`;
  }
  const words = WORDS[camera.state] ?? camera.state;
  const isBad = camera.enabled && !camera.available;
  showState(section, camera.reason ? `${words}: ${camera.reason}` : words, camera.state, isBad);
  showPower(section, camera);
  const size = width ? `${width} × ${height}` : "size unknown";
  const facts = [size, `${camera.measured_fps} pictures a second`].map((fact) => fact.replaceAll(" ", "\u00a0"));
  say(section.querySelector(".facts"), [camera.model ?? camera.source, ...facts].join(" · "));
  say(section.querySelector(".note"), camera.note ?? "");
  showViewers(section.querySelector(".viewers"), camera.viewers);
  showControls(section.querySelector(".controls"), camera);
  reconnectIfStalled(section);
}

function show({ server, cameras }) {
  document.title = server.name;
  // Chromium's <img> says nothing when its stream ends, and keeps the last picture.
  if (document.body.classList.contains("gone")) {
    document.body.classList.remove("gone");
    sections.forEach(connect);
  }
  say(document.getElementById("name"), server.name);
  document.getElementById("open").hidden = server.auth !== "none";
  document.getElementById("logout").hidden = server.auth === "none";
  const broker = server.mqtt.error ? `${server.mqtt.state}: ${server.mqtt.error}` : server.mqtt.state;
  say(document.getElementById("server"), `pi-mjpeg ${server.version} · MQTT ${broker}`);
  // A server that was started anew may have other cameras.
  for (const [id, section] of sections) {
    if (!cameras.some((camera) => camera.id === id)) {
      sections.delete(id);
      clearTimeout(section.later);
      section.remove();
    }
  }
  cameras.forEach(showCamera);
}

// What was true a moment ago may not be any more.
function showTrouble(message) {
  document.body.classList.add("gone");
  say(document.getElementById("server"), `Trying again: ${message}.`);
  sections.forEach((section) => showState(section, `Not known: ${message}`, "gone", true));
}

async function refresh() {
  const before = switched;
  let state = null;
  try {
    state = await ask("api/state", {}, STATE_WITHIN_MS);
  } catch (error) {
    showTrouble(error.message);
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
// Not before the page is there: a live picture that begins earlier keeps the browser "loading" for ever.
addEventListener("load", poll);
