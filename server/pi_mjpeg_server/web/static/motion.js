// The motion detection of a camera: its switch, its sensitivity, its regions, and what the detector sees.
"use strict";

// What the detector sees comes on a connection of its own, so it is shown for one camera at a time.
let seen = null;

function movesIn({ enabled, motion, error }, isOn) {
  if (!enabled || !isOn) {
    return enabled ? "Nothing is watched while the camera is off." : "";
  }
  if (error) {
    return error;
  }
  return motion ? "Something moves." : "Nothing moves.";
}

function showMoving(section) {
  const element = section.querySelector(".moving");
  setText(element, movesIn(section.motion, section.enabled));
  element.classList.toggle("moves", section.motion.motion);
  element.classList.toggle("bad", section.motion.enabled && Boolean(section.motion.error));
}

async function setMotion(section, changes) {
  const problem = section.querySelector(".motion .problem");
  section.settingMotion = (section.settingMotion ?? 0) + 1;
  try {
    const answer = await ask(`api/cameras/${section.camera}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ motion: changes }),
    });
    problem.textContent = "";
    section.motion = answer.motion;
  } catch (error) {
    problem.textContent = `It was not changed: ${error.message}`;
  }
  section.settingMotion -= 1;
  switched += 1;
  section.regionsShown = null;
  displayMotion(section);
}

// A field that a person moves is not changed.
function displayMotion(section) {
  const { enabled, sensitivity } = section.motion;
  const details = section.querySelector(".motion");
  const slider = details.querySelector("input[type=range]");
  if (!section.settingMotion) {
    details.querySelector(".power input").checked = enabled;
    if (slider !== document.activeElement) {
      slider.value = sensitivity;
      slider.nextElementSibling.textContent = sensitivity;
    }
    showRegions(section);
  }
  showMoving(section);
  details.querySelector(".see").disabled = !enabled || !section.enabled;
  if (seen?.section === section && (!enabled || !section.enabled)) {
    stopSeeing();
  }
}

// Called with every state, after the rest of the camera is shown. A server before this version has no motion detection.
function showMotion(section, { motion }) {
  const details = section.querySelector(".motion");
  details.hidden = !motion;
  if (!motion || section.settingMotion) {
    return;
  }
  section.motion = motion;
  displayMotion(section);
  section.querySelector(".overlay").hidden = !details.open;
  layOut(section);
}

// 0 is still, 1 not watched, 2 moving.
function paint(canvas, { columns, rows, cells }) {
  const colours = { 1: [0, 0, 0, 130], 2: [255, 60, 40, 170] };
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  for (let index = 0; index < cells.length && index < columns * rows; index += 1) {
    const colour = colours[cells[index]];
    if (colour) {
      pixels.data.set(colour, index * 4);
    }
  }
  context.putImageData(pixels, 0, 0);
}

function stopSeeing() {
  if (!seen) {
    return;
  }
  const { section, events } = seen;
  seen = null;
  events.close();
  section.querySelector("canvas").hidden = true;
  section.querySelector(".legend").hidden = true;
  section.querySelector(".see").ariaPressed = "false";
}

function startSeeing(section) {
  stopSeeing();
  const canvas = section.querySelector("canvas");
  const events = new EventSource(`api/events?cells=${section.camera}`);
  seen = { section, events };
  section.querySelector(".see").ariaPressed = "true";
  section.querySelector(".legend").hidden = false;
  events.addEventListener("cells", (event) => {
    canvas.hidden = false;
    paint(canvas, JSON.parse(event.data));
  });
  events.addEventListener("motion", (event) => {
    const { camera, ...motion } = JSON.parse(event.data);
    if (camera === section.camera && !section.settingMotion) {
      section.motion = motion;
      displayMotion(section);
    }
  });
  // The browser connects again by itself; what it showed is old until then.
  events.addEventListener("error", () => {
    canvas.hidden = true;
  });
}

function makeMotion(section) {
  const details = section.querySelector(".motion");
  const slider = details.querySelector("input[type=range]");
  slider.id = `${section.camera}-motion-sensitivity`;
  details.querySelector(".sensitivity label").htmlFor = slider.id;
  details.querySelector(".power input").addEventListener("change", (event) => {
    setMotion(section, { enabled: event.target.checked });
  });
  slider.addEventListener("input", () => {
    slider.nextElementSibling.textContent = slider.value;
  });
  slider.addEventListener("change", () => setMotion(section, { sensitivity: Number(slider.value) }));
  details.querySelector(".see").addEventListener("click", () => {
    if (seen?.section === section) {
      stopSeeing();
    } else {
      startSeeing(section);
    }
  });
  details.addEventListener("toggle", () => {
    section.querySelector(".overlay").hidden = !details.open;
    layOut(section);
    if (!details.open) {
      stopDrawing(section);
      if (seen?.section === section) {
        stopSeeing();
      }
    }
  });
  makeDrawable(section);
}

document.addEventListener("visibilitychange", () => document.hidden && stopSeeing());
