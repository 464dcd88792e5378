// Links with a view token, for pages and programs that can send nothing but a URL.
"use strict";

function linkField(text, url) {
  const label = document.createElement("label");
  const field = document.createElement("input");
  field.type = "text";
  field.readOnly = true;
  field.value = url;
  field.addEventListener("focus", () => field.select());
  label.append(text, field);
  return label;
}

async function share(section, method) {
  const details = section.querySelector(".share");
  const problem = details.querySelector(".problem");
  const output = details.querySelector("output");
  problem.textContent = "";
  try {
    const links = await ask(`api/cameras/${section.camera}/view_token`, { method });
    if (links) {
      output.replaceChildren(linkField("Live picture", links.stream_url), linkField("Still", links.snapshot_url));
    } else {
      output.textContent = "The links are void.";
    }
  } catch (error) {
    problem.textContent = `Links: ${error.message}`;
  }
  refresh();
}

function prepareShare(section) {
  section.querySelector(".share .make").addEventListener("click", () => share(section, "POST"));
  section.querySelector(".share .revoke").addEventListener("click", () => share(section, "DELETE"));
}

function showShare(section, camera, server) {
  section.querySelector(".share").hidden = server.auth === "none";
  section.querySelector(".share .revoke").disabled = !camera.view_token;
}
