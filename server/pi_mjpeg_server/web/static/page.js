// The page: one section for each camera, its state asked for every two seconds.
"use strict";

const POLL_MS = 2000;
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

function sectionOf(camera) {
  if (sections.has(camera.id)) {
    return sections.get(camera.id);
  }
  const section = document.getElementById("camera").content.cloneNode(true).firstElementChild;
  const image = section.querySelector("img");
  image.src = `cameras/${camera.id}/stream`;
  // An <img> whose connection ended never asks again by itself.
  image.addEventListener("error", () => {
    setTimeout(() => {
      image.src = `cameras/${camera.id}/stream?again=${Date.now()}`;
    }, POLL_MS);
  });
  section.querySelector(".full").addEventListener("click", () => section.querySelector(".picture").requestFullscreen());
  section.querySelector(".snapshot").addEventListener("click", () => takeSnapshot(camera.id, section.querySelector("output")));
  document.getElementById("cameras").append(section);
  sections.set(camera.id, section);
  return section;
}

async function takeSnapshot(id, output) {
  output.textContent = "Taking it…";
  try {
    const response = await fetch(`api/cameras/${id}/snapshots`, { method: "POST" });
    const answer = await response.json();
    if (!response.ok) {
      output.textContent = answer.error.message;
      return;
    }
    const link = document.createElement("a");
    link.href = new URL(answer.url).pathname.slice(1) + new URL(answer.url).search;
    link.download = `${answer.id}.jpg`;
    link.textContent = `Download (${answer.width} × ${answer.height})`;
    output.replaceChildren(link);
  } catch {
    output.textContent = "The server does not answer.";
  }
}

function show(camera) {
  const section = sectionOf(camera);
  section.querySelector("h2").textContent = camera.name;
  section.querySelector("img").alt = `Live picture of ${camera.name}`;
  const state = section.querySelector(".state");
  const parts = [WORDS[camera.state] ?? camera.state];
  if (camera.reason) {
    parts.push(camera.reason);
  } else {
    parts.push(`${camera.measured_fps} pictures a second`);
  }
  parts.push(plural(camera.viewers.length, "viewer"), camera.model ?? camera.source);
  state.textContent = parts.join(" · ");
  state.classList.toggle("bad", !camera.available);
}

async function poll() {
  const server = document.getElementById("server");
  try {
    const response = await fetch("api/state");
    const state = await response.json();
    document.title = state.server.name;
    document.getElementById("name").textContent = state.server.name;
    const open = state.server.auth === "none" ? " · open to everybody on this network" : "";
    server.textContent = `pi-mjpeg ${state.server.version} · MQTT ${state.server.mqtt.state}${open}`;
    server.classList.remove("bad");
    state.cameras.forEach(show);
  } catch {
    server.textContent = "The server does not answer; trying again.";
    server.classList.add("bad");
  }
  setTimeout(poll, POLL_MS);
}

poll();
