// The regions of the motion detection, drawn on the picture by mouse or finger, and as numbers for the keyboard.
"use strict";

const KINDS = { watch: "Watched", ignore: "Ignored" };
const MAX_REGIONS = 16;
// Less is a slip of the finger.
const MIN_SIDE = 0.02;
const SIDES = ["Left", "Top", "Width", "Height"];

function percent(fraction) {
  return Math.round(fraction * 1000) / 10;
}

function rounded(fraction) {
  return Math.round(fraction * 10_000) / 10_000;
}

function clamp(value, lowest, highest) {
  return Math.min(Math.max(value, lowest), highest);
}

// The rectangle that two corners span, inside the picture.
function spanned([x1, y1], [x2, y2]) {
  const [left, top] = [Math.min(x1, x2), Math.min(y1, y2)].map(rounded);
  return [left, top, rounded(Math.max(x1, x2) - left), rounded(Math.max(y1, y2) - top)];
}

// The picture may be smaller than its frame, which has the browser's black bars then.
function layOut(section) {
  const [frame, image, overlay] = [".picture", "img", ".overlay"].map((each) => section.querySelector(each));
  if (!image.naturalWidth || !frame.clientWidth) {
    return;
  }
  const scale = Math.min(frame.clientWidth / image.naturalWidth, frame.clientHeight / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  overlay.style.left = `${(frame.clientWidth - width) / 2}px`;
  overlay.style.top = `${(frame.clientHeight - height) / 2}px`;
  overlay.style.width = `${width}px`;
  overlay.style.height = `${height}px`;
}

function place(element, [left, top, width, height]) {
  element.style.left = `${left * 100}%`;
  element.style.top = `${top * 100}%`;
  element.style.width = `${width * 100}%`;
  element.style.height = `${height * 100}%`;
}

function eraseButton(section, kind, number) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "erase";
  button.addEventListener("click", () => {
    setMotion(section, { [kind]: section.motion[kind].filter((_, index) => index !== number) });
    // The button is gone with its region.
    section.querySelector(`.motion button[data-kind="${kind}"]`).focus();
  });
  return button;
}

function makeBox(section, kind, number, region) {
  const box = document.createElement("div");
  box.className = kind;
  place(box, region);
  const button = eraseButton(section, kind, number);
  button.textContent = "×";
  // The list has the same button for everybody who does not see the picture.
  button.ariaHidden = "true";
  button.tabIndex = -1;
  box.append(button);
  return box;
}

// Returns the region with one side changed, moved back or cut so that it stays inside the picture.
function changedSide(region, side, value) {
  const changed = [...region];
  changed[side] = rounded(clamp(value, side < 2 ? 0 : MIN_SIDE, 1));
  if (side < 2) {
    changed[side] = Math.min(changed[side], rounded(1 - changed[side + 2]));
  } else {
    changed[side] = Math.min(changed[side], rounded(1 - changed[side - 2]));
  }
  return changed;
}

function makeItem(section, kind, number, region) {
  const item = document.createElement("li");
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const name = `${KINDS[kind]} ${number + 1}`;
  legend.textContent = `${name}, in %`;
  group.className = kind;
  group.append(legend);
  SIDES.forEach((word, side) => {
    const label = document.createElement("label");
    const field = document.createElement("input");
    field.type = "number";
    field.min = side < 2 ? 0 : percent(MIN_SIDE);
    field.max = 100;
    field.step = "any";
    field.value = percent(region[side]);
    field.addEventListener("change", () => {
      const regions = [...section.motion[kind]];
      regions[number] = changedSide(region, side, Number(field.value) / 100);
      setMotion(section, { [kind]: regions });
    });
    label.append(word, field);
    group.append(label);
  });
  const button = eraseButton(section, kind, number);
  button.textContent = "Erase";
  button.ariaLabel = `Erase ${name}`;
  group.append(button);
  item.append(group);
  return item;
}

const FIELDS = "input, button";

// Called with every state. The list is replaced when a region has changed; what had the focus has it afterwards.
function showRegions(section) {
  const regions = JSON.stringify([section.motion.watch, section.motion.ignore]);
  const list = section.querySelector("ul.regions");
  if (section.regionsShown === regions) {
    return;
  }
  const focused = [...list.querySelectorAll(FIELDS)].indexOf(document.activeElement);
  section.regionsShown = regions;
  const all = Object.keys(KINDS).flatMap((kind) => section.motion[kind].map((region, number) => [kind, number, region]));
  list.replaceChildren(...all.map((each) => makeItem(section, ...each)));
  section.querySelector("div.regions").replaceChildren(...all.map((each) => makeBox(section, ...each)));
  list.querySelectorAll(FIELDS)[focused]?.focus({ preventScroll: true });
  const { watch, ignore } = section.motion;
  const extent = watch.length ? "Only what is in a watched region counts" : "All of the picture is watched";
  section.querySelector(".extent").textContent = `${extent}${ignore.length ? ", without the ignored regions" : ""}.`;
}

function addRegion(section, region) {
  const kind = section.drawing;
  stopDrawing(section);
  setMotion(section, { [kind]: [...section.motion[kind], region] });
}

function startDrawing(section, kind) {
  if (section.motion[kind].length >= MAX_REGIONS) {
    section.querySelector(".how").textContent = `There can be ${MAX_REGIONS} regions of a kind.`;
    return;
  }
  section.drawing = kind;
  showDrawing(section);
}

function stopDrawing(section) {
  section.drawing = null;
  showDrawing(section);
}

function showDrawing(section) {
  for (const button of section.querySelectorAll(".motion button[data-kind]")) {
    button.ariaPressed = String(button.dataset.kind === section.drawing);
  }
  section.querySelector(".overlay").classList.toggle("drawing", Boolean(section.drawing));
  section.querySelector(".middle").hidden = !section.drawing;
  section.querySelector(".how").textContent = section.drawing ? "Draw a rectangle on the picture. Escape, or the button once more, ends this." : "";
}

// Where a pointer is, in fractions of the picture.
function pointOf(overlay, event) {
  const { left, top, width, height } = overlay.getBoundingClientRect();
  return [clamp((event.clientX - left) / width, 0, 1), clamp((event.clientY - top) / height, 0, 1)];
}

function makeDrawable(section) {
  const overlay = section.querySelector(".overlay");
  let began = null;
  let box = null;
  const forget = () => {
    box?.remove();
    began = box = null;
  };
  overlay.addEventListener("pointerdown", (event) => {
    if (!section.drawing || !event.isPrimary || event.button !== 0) {
      return;
    }
    event.preventDefault();
    overlay.setPointerCapture(event.pointerId);
    began = pointOf(overlay, event);
    box = document.createElement("div");
    box.className = section.drawing;
    section.querySelector("div.regions").append(box);
  });
  overlay.addEventListener("pointermove", (event) => {
    if (box && event.isPrimary) {
      place(box, spanned(began, pointOf(overlay, event)));
    }
  });
  overlay.addEventListener("pointerup", (event) => {
    if (!box || !event.isPrimary) {
      return;
    }
    const region = spanned(began, pointOf(overlay, event));
    forget();
    if (section.drawing && Math.min(region[2], region[3]) >= MIN_SIDE) {
      addRegion(section, region);
    }
  });
  overlay.addEventListener("pointercancel", forget);
  section.forgetBox = forget;
  for (const button of section.querySelectorAll(".motion button[data-kind]")) {
    button.addEventListener("click", () => {
      const { kind } = button.dataset;
      return section.drawing === kind ? stopDrawing(section) : startDrawing(section, kind);
    });
  }
  section.querySelector(".middle").addEventListener("click", () => addRegion(section, [0.25, 0.25, 0.5, 0.5]));
  new ResizeObserver(() => layOut(section)).observe(section.querySelector(".picture"));
  section.querySelector("img").addEventListener("load", () => layOut(section));
}

// A click on the picture takes the focus away from the buttons, so the key is heard everywhere.
document.addEventListener("keydown", (event) => {
  for (const section of event.key === "Escape" ? sections.values() : []) {
    if (section.drawing) {
      section.forgetBox();
      stopDrawing(section);
    }
  }
});
