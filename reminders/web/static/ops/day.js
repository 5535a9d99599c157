// The Day view: one tab stop, from which arrow keys lead to every block; blocks are moved by pointer or keyboard, and what
// that would mean is shown by the page of the action. Without scripts each block is a link to its assignment, which can be
// moved there.
"use strict";

const STEP_MINUTES = 15;
const FAR_PX = 4; // A pointer that has gone less far than this has clicked.

// People and blocks of the chart are one tab stop: whatever had the focus last, at first the work of now.
function setUpKeys(chart) {
  const rows = [...chart.querySelectorAll(".person-row")];
  const stopsOf = (row) => [...row.querySelectorAll(".who-row a, .block")];
  const isShown = (one) => one.getClientRects().length > 0;
  const all = rows.flatMap(stopsOf);
  const blocks = all.filter((one) => one.matches(".block"));
  let stop = null;
  let column = 0; // The instant under which up and down stay.
  let keepsColumn = false;

  function put(next) {
    if (stop) stop.tabIndex = -1;
    stop = next;
    stop.tabIndex = 0;
  }

  function nearest(row) {
    const stops = stopsOf(row).filter(isShown);
    const timed = stops.filter((one) => one.dataset.at);
    const far = (one) => Math.abs(Number(one.dataset.at) - column);
    return timed.length ? timed.reduce((best, one) => (far(one) < far(best) ? one : best)) : stops[0];
  }

  function above(step) {
    let at = rows.indexOf(stop.closest(".person-row")) + step;
    while (rows[at] && !nearest(rows[at])) at += step;
    return rows[at] && nearest(rows[at]);
  }

  function leadsTo(event) {
    const own = stopsOf(stop.closest(".person-row")).filter(isShown);
    const onward = getComputedStyle(chart).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const shown = event.ctrlKey || event.metaKey ? all.filter(isShown) : own;
    switch (event.key) {
      case "ArrowLeft":
      case "ArrowRight": return own[own.indexOf(stop) + (event.key === onward ? 1 : -1)];
      case "ArrowUp": return above(-1);
      case "ArrowDown": return above(1);
      case "Home": return shown[0];
      case "End": return shown[shown.length - 1];
      default: return undefined;
    }
  }

  chart.addEventListener("focusin", (event) => {
    const one = event.target.closest(".who-row a, .block");
    if (!one) return;
    put(one);
    if (one.dataset.at && !keepsColumn) column = Number(one.dataset.at);
  });
  chart.addEventListener("keydown", (event) => {
    const arrow = event.key.startsWith("Arrow");
    if (event.defaultPrevented || event.altKey || event.shiftKey || !event.target.closest(".who-row a, .block")) return;
    if (arrow && (event.ctrlKey || event.metaKey)) return;
    const next = leadsTo(event);
    if (!next && !arrow) return;
    event.preventDefault();
    keepsColumn = event.key === "ArrowUp" || event.key === "ArrowDown";
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
    keepsColumn = false;
  });

  if (!all.length) return;
  for (const one of all) one.tabIndex = -1;
  column = Date.now() / 1000;
  const coming = blocks.filter((one) => Number(one.dataset.at) >= column);
  const earliest = (best, one) => (Number(one.dataset.at) < Number(best.dataset.at) ? one : best);
  put(coming.length ? coming.reduce(earliest) : blocks[0] ?? all[0]);
  for (const link of document.querySelectorAll("[data-to-chart]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      stop.focus();
    });
  }
}

function setUpMoves(chart) {
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
      document.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) document.removeEventListener(name, end);
      if (!dragged) return;
      // The click that follows is no visit.
      block.addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
      setTimeout(() => {
        if (ended.type === "pointerup" && hasMoved()) ask();
        else takeBack();
      });
    }

    // Of the document: a quick pointer has left the block before it says that it has moved.
    document.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, end);
  });
  chart.addEventListener("pointerover", (event) => {
    const block = event.target.closest(".block");
    if (block && !block.title) block.title = block.textContent; // Much of it is cut off in the picture.
  });
  chart.addEventListener("dragstart", (event) => event.preventDefault());

  chart.addEventListener("keydown", (event) => {
    const block = event.target.closest(".block[data-movable]");
    if (!block || !wide() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      event.preventDefault();
      if (move) takeBack();
      else {
        begin(block);
        draw();
      }
      return;
    }
    if (!move) return; // The arrow keys lead to another block.
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

  chart.querySelectorAll(".block[data-movable]").forEach((one) => one.setAttribute("aria-describedby", "day-help"));
  document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
}

document.addEventListener("DOMContentLoaded", () => {
  for (const chart of document.querySelectorAll("[data-day]")) {
    if (chart.dataset.move) setUpMoves(chart); // First: while a block is moved, the arrow keys are for it.
    setUpKeys(chart);
    document.getElementById("day-help").hidden = false;
  }
});
