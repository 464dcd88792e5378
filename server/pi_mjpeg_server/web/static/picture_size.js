// Small or full live pictures: what the person chose in this browser, else small on a phone and on a slow connection.
"use strict";

// Of 1280 x 720 pixels at 30 fps these are less than a tenth of the bytes, about 2 Mbit/s.
const SMALL_STREAM = "width=640&fps=8&";
const SIZE_KEY = "picture-size";

function defaultSize() {
  // Only Chromium knows its connection.
  const { saveData, type, effectiveType = "4g" } = navigator.connection ?? {};
  const isSlow = saveData || type === "cellular" || effectiveType !== "4g";
  return isSlow || matchMedia("(max-width: 40rem)").matches ? "small" : "full";
}

function storedSize() {
  try {
    return localStorage.getItem(SIZE_KEY);
  } catch {
    // A browser may not let this page store anything.
    return null;
  }
}

function sizeQuery() {
  return document.getElementById("size").value === "small" ? SMALL_STREAM : "";
}

function prepareSize() {
  const field = document.getElementById("size");
  const stored = storedSize();
  field.value = ["small", "full"].includes(stored) ? stored : defaultSize();
  field.addEventListener("change", () => {
    try {
      localStorage.setItem(SIZE_KEY, field.value);
    } catch {
      // Then it is so until the page is loaded again.
    }
    sections.forEach(connect);
  });
}

prepareSize();
