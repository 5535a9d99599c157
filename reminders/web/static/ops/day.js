// The Day view: blocks are moved by pointer or keyboard, and what that would mean is shown by the page of the action.
// Without scripts each block is a link to its assignment, which can be moved there.
"use strict";

const STEP_MINUTES = 15;
const FAR_PX = 4; // A pointer that has gone less far than this has clicked.

function setUp(chart) {
  const rows = [...chart.querySelectorAll(".person-row")];
  const status = document.querySelector("[data-day-said]");
  const { lang } = document.documentElement;
  const clock = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, {
    timeZone: chart.dataset.zone, weekday: "short", hour: "2-digit", minute: "2-digit",
  });
  let move = null; // The block that is being moved: by how many minutes, and into which row.

  const rowOf = (block) => block.closest(".person-row");
  const idOf = (block) => block.pathname.split("/").pop();
  const wide = () => matchMedia("(min-width: 45.01rem)").matches;
  const pxPerMinute = (block) => block.closest(".track").clientWidth / Number(chart.dataset.minutes);

  function begin(block) {
    if (move?.block !== block) takeBack();
    move ??= { block, minutes: 0, row: rowOf(block), dx: null };
    block.classList.add("moving");
  }

  function draw() {
    const { block, minutes, row, dx } = move;
    const x = dx ?? minutes * pxPerMinute(block);
    const y = row.getBoundingClientRect().top - rowOf(block).getBoundingClientRect().top;
    block.style.transform = `translate(${x}px, ${y}px)`;
    for (const one of rows) one.classList.toggle("over", one === row && row !== rowOf(block));
    const at = clock.format(new Date(Number(block.dataset.at) * 1000 + minutes * 60000));
    status.textContent = chart.dataset.saying.replace("{at}", at).replace("{person}", () => row.dataset.name);
  }

  function takeBack() {
    if (!move) return;
    move.block.style.transform = "";
    move.block.classList.remove("moving");
    for (const one of rows) one.classList.remove("over");
    status.textContent = "";
    move = null;
  }

  function hasMoved() {
    return move !== null && (move.minutes !== 0 || move.row !== rowOf(move.block));
  }

  function ask() {
    const { block, minutes, row } = move;
    const given = row !== rowOf(block);
    const values = new URLSearchParams({ ids: idOf(block) });
    if (minutes) values.set("start", new Date(Number(block.dataset.at) * 1000 + minutes * 60000).toISOString());
    if (given) values.set("to", row.dataset.to);
    values.set("back", `${location.pathname}${location.search}#${row.id}`);
    location.assign(`${minutes ? chart.dataset.move : chart.dataset.reassign}?${values}`);
  }

  chart.addEventListener("pointerdown", (event) => {
    const block = event.target.closest(".block[data-movable]");
    // A finger scrolls.
    if (!block || event.button !== 0 || event.pointerType === "touch" || !wide()) return;
    const from = { x: event.clientX, y: event.clientY };
    let dragged = false;

    function follow(moved) {
      const dx = moved.clientX - from.x;
      if (!dragged && Math.hypot(dx, moved.clientY - from.y) < FAR_PX) return;
      if (!dragged) {
        dragged = true;
        begin(block);
        block.setPointerCapture(moved.pointerId);
      }
      if (!move) return; // Taken back by Escape.
      move.minutes = Math.round(dx / pxPerMinute(block) / STEP_MINUTES) * STEP_MINUTES;
      move.row = rows.find((one) => {
        const box = one.getBoundingClientRect();
        return box.top <= moved.clientY && moved.clientY < box.bottom;
      }) ?? move.row;
      move.dx = dx;
      draw();
    }

    function end(ended) {
      block.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) block.removeEventListener(name, end);
      if (!dragged) return;
      // The click that follows is no visit.
      block.addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
      setTimeout(() => {
        if (ended.type === "pointerup" && hasMoved()) ask();
        else takeBack();
      });
    }

    block.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) block.addEventListener(name, end);
  });
  chart.addEventListener("pointerover", (event) => {
    const block = event.target.closest(".block");
    if (block && !block.title) block.title = block.textContent; // Much of it is cut off in the picture.
  });
  chart.addEventListener("dragstart", (event) => event.preventDefault());

  chart.addEventListener("keydown", (event) => {
    const block = event.target.closest(".block[data-movable]");
    if (!block || !wide() || event.ctrlKey || event.metaKey || event.altKey) return;
    const sideways = { ArrowLeft: -STEP_MINUTES, ArrowRight: STEP_MINUTES }[event.key];
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (sideways || down) {
      event.preventDefault();
      begin(block);
      move.dx = null;
      move.minutes += sideways ?? 0;
      move.row = rows[rows.indexOf(move.row) + (down ?? 0)] ?? move.row;
      if (down) move.row.scrollIntoView({ block: "nearest" });
      draw();
    } else if (event.key === "Enter" && hasMoved()) {
      event.preventDefault();
      ask();
    } else if (event.key === "Escape") {
      takeBack();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") takeBack();
  });
  chart.addEventListener("focusout", takeBack);
  // A browser that goes back shows the page as it was left.
  window.addEventListener("pageshow", takeBack);

  document.getElementById("day-help").hidden = false;
  chart.querySelectorAll(".block[data-movable]").forEach((one) => one.setAttribute("aria-describedby", "day-help"));
  document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
}

document.addEventListener("DOMContentLoaded", () => {
  for (const chart of document.querySelectorAll("[data-day][data-move]")) setUp(chart);
});
