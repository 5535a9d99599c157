"use strict";
// What forms of the admin need of scripts.

// An assignment: a start that is moved takes the end along, as the server will (assignment_form.py).

document.addEventListener("DOMContentLoaded", () => {
  const part = (name, n) => document.getElementById(`id_scheduled_${name}_${n}`);
  const stays = document.getElementById("id_end_stays");
  if (!stays || !part("start", 0) || !part("end", 0)) return;

  // Milliseconds of a time on the clock of the form, without a zone; null where none is written in full.
  const read = (name) => {
    const date = /^(\d{4})-(\d\d)-(\d\d)$/.exec(part(name, 0).value.trim());
    const time = /^(\d\d?):(\d\d)(?::(\d\d))?$/.exec(part(name, 1).value.trim());
    return date && time ? Date.UTC(date[1], date[2] - 1, date[3], time[1], time[2], time[3] || 0) : null;
  };
  const write = (name, clock) => {
    const [date, time] = new Date(clock).toISOString().split("T");
    part(name, 0).value = date;
    part(name, 1).value = time.slice(0, 8);
  };

  const start = read("start");
  const stored = read("end");
  if (start === null || stored === null) return;
  let written = stored; // What the form shows unless somebody has written another end.

  const follow = () => {
    const now = read("start");
    if (read("end") !== written || now === null) return;
    written = stays.checked ? stored : stored + (now - start);
    if (read("end") !== written) write("end", written);
  };
  // Django's calendar and clock write without an event, and then give the field the focus.
  for (const kind of ["input", "change", "focusin", "click"]) {
    document.addEventListener(kind, () => setTimeout(follow));
  }
});

// Names for those who hear a page: fields of a table by the head of their column, and fields with a search by their label.
const nameFields = () => {
  for (const table of document.querySelectorAll(".tabular table")) {
    const heads = [...table.querySelectorAll("thead th")].map((one) => one.childNodes[0]?.textContent.trim() ?? "");
    for (const row of table.querySelectorAll("tbody tr")) {
      // The head of the first column stands over two cells.
      const cells = [...row.children].filter((one) => !one.classList.contains("original"));
      const first = heads.length - cells.length;
      cells.forEach((cell, place) => {
        for (const one of cell.querySelectorAll("input:not([type=hidden]), select, textarea")) {
          if (!one.labels?.length) one.setAttribute("aria-label", heads[Math.max(0, place + first)] || "Field");
        }
      });
    }
  }
  for (const one of document.querySelectorAll(".help-tooltip[aria-label]")) one.setAttribute("role", "img");
  for (const box of document.querySelectorAll(".select2-container")) {
    const label = document.querySelector(`label[for="${box.previousElementSibling?.id}"]`);
    for (const one of box.querySelectorAll("[role=combobox], [role=textbox], input")) {
      one.setAttribute("aria-label", label?.textContent.replace(":", "").trim() || "Choice");
      one.removeAttribute("aria-labelledby");
    }
  }
};
document.addEventListener("DOMContentLoaded", () => {
  nameFields();
  // Rows and search boxes are added later, too.
  new MutationObserver(nameFields).observe(document.body, { childList: true, subtree: true });
});
