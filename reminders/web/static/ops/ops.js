// What the pages do beyond htmx: no refresh while hidden, a banner while the server is unreachable, select whole lists.
"use strict";

const lost = () => document.getElementById("connection-lost");
let reachedAt = new Date();

function reached(yes) {
  if (yes) reachedAt = new Date();
  else document.getElementById("connection-lost-since").textContent = reachedAt.toLocaleTimeString(document.documentElement.lang);
  lost().hidden = yes;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  const { successful, xhr } = event.detail;
  if (xhr.status !== 0) reached(successful || [401, 403].includes(xhr.status));
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => reached(false));
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.body.dispatchEvent(new Event("visible-again"));
});

// An open <details> stays open when the statistics around it are refreshed.
let open = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  // Whoever is signed out is told so beside what they write.
  if ([401, 403].includes(event.detail.xhr.status) && event.detail.target.id === "preview") event.detail.shouldSwap = true;
  open = [...document.querySelectorAll("details[id][open]")].map((one) => one.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
});

// "/" leads to the search box, but where something is typed; Escape and a click elsewhere close an open menu.
const closeMenus = (but) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(but)) menu.open = false;
};
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  const types = event.target.matches?.("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");
  if (event.key === "/" && !types && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById("find")?.select();
    document.getElementById("find")?.focus();
  }
});

// The actions of a list are for its marked rows: disabled until there are some. Without scripts the server says so.
function followMarks(bar) {
  const form = bar.closest("form");
  const all = bar.querySelector("[data-mark-all]");
  const rows = [...form.querySelectorAll("input[name=ids]")];
  const everything = form.querySelector("input[name=everything]");
  const follow = () => {
    const marked = rows.filter((one) => one.checked).length;
    for (const button of bar.querySelectorAll("button")) button.disabled = !marked && !everything?.checked;
    bar.querySelector("[data-marked]").textContent = everything?.checked
      ? bar.dataset.allSelected : bar.dataset.selected.replace("{number}", marked);
    all.checked = marked > 0 && marked === rows.length;
    all.indeterminate = marked > 0 && marked < rows.length;
  };
  all.closest("label").hidden = false;
  all.addEventListener("change", () => {
    for (const one of rows) one.checked = all.checked;
  });
  form.addEventListener("change", follow);
  // A browser that goes back keeps the marks.
  window.addEventListener("pageshow", follow);
  follow();
}

// What was confirmed is sent once, however often the button is pressed.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.confirm[method=post]")) return;
  const { dataset } = event.target;
  if (dataset.sent) event.preventDefault();
  else setTimeout(() => delete dataset.sent, 5000); // No answer came: it may be tried again.
  dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// The HTML part of a preview is shown in its frame; without scripts by a button.
function showFrames() {
  for (const form of document.querySelectorAll("form[data-show]")) {
    form.querySelector("button").hidden = true;
    form.submit();
  }
}
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "preview") showFrames();
});

document.addEventListener("DOMContentLoaded", () => {
  showFrames();
  for (const bar of document.querySelectorAll("[data-mark-bar]")) followMarks(bar);
  for (const filters of document.querySelectorAll("form.filters")) {
    filters.addEventListener("change", (event) => {
      if (event.target.matches("select")) filters.requestSubmit();
    });
  }
});

// A local time that is given in the office's clocks or the assignee's: it stays the same instant when the clocks are changed,
// and what it is by both is beside it.
const ahead = (zone, at) => {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
  }).formatToParts(at);
  const part = (type) => Number(parts.find((one) => one.type === type).value);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute")) - Math.floor(at / 60000) * 60000;
};
const instantIn = (zone, local) => {
  const shown = Date.parse(`${local}:00Z`);
  return shown - ahead(zone, shown - ahead(zone, shown));
};
const localIn = (zone, at) => new Date(at + ahead(zone, at)).toISOString().slice(0, 16);

function followClocks(start) {
  const { officeZone, officePlace, assigneeZone, assigneePlace } = start.dataset;
  const zones = { office: officeZone, assignee: assigneeZone };
  const radios = [...start.form.querySelectorAll("input[name=zone]")];
  const chosen = () => radios.find((one) => one.checked)?.value ?? "office";
  let present = chosen();
  const both = document.createElement("p");
  both.className = "help";
  both.setAttribute("role", "status");
  start.closest(".field").append(both);
  const say = () => {
    const at = start.value && instantIn(zones[chosen()], start.value.slice(0, 16));
    const shown = (zone) => localIn(zone, at).replace("T", " ");
    both.textContent = at ? `= ${shown(assigneeZone)} ${assigneePlace} = ${shown(officeZone)} ${officePlace}` : "";
  };
  start.addEventListener("input", say);
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      if (start.value) start.value = localIn(zones[radio.value], instantIn(zones[present], start.value.slice(0, 16)));
      present = radio.value;
      say();
    });
  }
  say();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const start of document.querySelectorAll("input[data-assignee-zone]")) followClocks(start);
});

// Whoever may be meant is suggested while a name is written; at first those of the team of the work who are free.
function suggestPeople(field, list) {
  let asked = 0;
  const ask = async () => {
    const mine = ++asked;
    await new Promise((then) => setTimeout(then, 200));
    if (mine !== asked) return;
    const values = new URLSearchParams({ to: field.value, work: field.dataset.work ?? "" });
    const answer = await fetch(`${list.dataset.from}?${values}`).catch(() => null);
    if (answer?.ok && mine === asked) list.innerHTML = await answer.text();
  };
  const isChosen = () => [...list.options].some((one) => one.value === field.value);
  field.addEventListener("focus", ask, { once: true });
  field.addEventListener("input", () => { if (!isChosen()) ask(); });
}

document.addEventListener("DOMContentLoaded", () => {
  for (const list of document.querySelectorAll("datalist[data-from]")) {
    suggestPeople(document.querySelector(`input[list="${list.id}"]`), list);
  }
});
