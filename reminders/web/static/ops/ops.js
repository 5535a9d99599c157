// What the pages do beyond htmx: no refresh while hidden, a banner while the server is unreachable, select whole lists.
"use strict";

const lost = () => document.getElementById("connection-lost");
let reachedAt = new Date();

function reached(yes) {
  if (yes) reachedAt = new Date();
  else document.getElementById("connection-lost-since").textContent = reachedAt.toLocaleTimeString();
  lost().hidden = yes;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status !== 0) reached(event.detail.successful);
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => reached(false));
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.body.dispatchEvent(new Event("visible-again"));
});

// An open <details> stays open when the statistics around it are refreshed.
let open = [];
document.addEventListener("htmx:beforeSwap", () => {
  open = [...document.querySelectorAll("details[id][open]")].map((one) => one.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
});

document.addEventListener("DOMContentLoaded", () => {
  // On a phone the pages' names are wider than the window.
  document.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  for (const all of document.querySelectorAll("[data-mark-all]")) {
    all.closest("label").hidden = false;
    all.addEventListener("change", () => {
      for (const one of all.form.querySelectorAll("input[name=ids]")) one.checked = all.checked;
    });
  }
  for (const filters of document.querySelectorAll("form.filters")) {
    filters.addEventListener("change", (event) => {
      if (event.target.matches("select")) filters.requestSubmit();
    });
  }
});
