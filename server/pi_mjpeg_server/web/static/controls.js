// The controls of a camera as form fields, each with the range that the driver reports.
"use strict";

function fieldFor(control) {
  if (control.type === "menu") {
    const select = document.createElement("select");
    select.append(...control.options.map((option) => new Option(option)));
    return select;
  }
  const input = document.createElement("input");
  if (control.type === "boolean") {
    input.type = "checkbox";
  } else {
    input.type = "range";
    input.min = control.minimum;
    input.max = control.maximum;
    input.step = control.step ?? (control.type === "integer" ? 1 : (control.maximum - control.minimum) / 200);
  }
  return input;
}

function valueOf(field, control) {
  if (control.type === "boolean") {
    return field.checked;
  }
  return control.type === "menu" ? field.value : Number(field.value);
}

// A slider does not show its value. The other fields do.
function showNumber(field, value) {
  if (field.type === "range") {
    field.nextElementSibling.textContent = String(Number(value.toFixed(3)));
  }
}

function display(field, control) {
  if (control.type === "boolean") {
    field.checked = control.value;
  } else {
    field.value = control.value;
  }
  showNumber(field, control.value);
}

async function adjust(details, camera, control, field) {
  const problem = details.querySelector(".problem");
  try {
    const answer = await ask(`api/cameras/${camera.id}/controls`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ [control.name]: valueOf(field, control) }),
    });
    problem.textContent = "";
    showControls(details, { ...camera, controls: answer.controls });
  } catch (error) {
    problem.textContent = `${control.name} was not set: ${error.message}`;
  }
}

function makeRow(details, camera, control) {
  const row = document.createElement("div");
  const label = document.createElement("label");
  const field = fieldFor(control);
  const shown = document.createElement("span");
  // A screen reader reads the value from the slider itself.
  shown.ariaHidden = "true";
  field.id = `${camera.id}-${control.name}`;
  field.name = control.name;
  label.htmlFor = field.id;
  label.textContent = control.name;
  field.addEventListener("input", () => showNumber(field, valueOf(field, control)));
  field.addEventListener("change", () => adjust(details, camera, control, field));
  row.append(label, field, shown);
  return row;
}

// Called with every state. A field with the focus is not changed.
function showControls(details, camera) {
  const form = details.querySelector("form");
  const names = camera.controls.map((control) => control.name).join();
  if (form.dataset.names !== names) {
    form.dataset.names = names;
    form.replaceChildren(...camera.controls.map((control) => makeRow(details, camera, control)));
  }
  details.hidden = camera.controls.length === 0;
  for (const control of camera.controls) {
    const field = form.elements.namedItem(control.name);
    field.disabled = !camera.enabled;
    if (field !== document.activeElement) {
      display(field, control);
    }
  }
}
