// Shows errors of the login form without leaving the page. The form also works without JavaScript.
"use strict";

const form = document.querySelector("form");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    // A redirect means success. It is not followed here, so that the browser loads the page.
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
