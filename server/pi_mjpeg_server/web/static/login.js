// The login form, told what went wrong without leaving it. Without JavaScript the form itself works too.
"use strict";

const form = document.querySelector("form");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    // A redirect is the good answer; it is not followed, so that the page itself is loaded by the browser.
    const response = await fetch("login", {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      redirect: "manual",
    });
    if (response.type === "opaqueredirect") {
      location.href = "./";
      return;
    }
    problem.textContent = (await response.json()).error.message;
  } catch {
    problem.textContent = "The server does not answer; try again.";
  }
  form.token.select();
});
