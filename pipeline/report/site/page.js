// Sorting of tables, filtering of failures, and what is shown on demand. The page is complete without it.
"use strict";

function key(cell) {
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = parseFloat(text);
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

function compare(a, b) {
  if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1; // what is not there stays last
  return typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
}

function sortBy(table, column, header) {
  const up = header.getAttribute("aria-sort") === "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const [x, y] = [key(a.cells[column]), key(b.cells[column])];
    return x === "" || y === "" || up ? compare(x, y) : compare(y, x);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    header.tabIndex = 0;
    const act = (event) => {
      if (event.target.closest("a")) return;
      if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sortBy(table, column, header);
    };
    header.addEventListener("click", act);
    header.addEventListener("keydown", act);
  });
}

const filters = [...document.querySelectorAll("[data-filter]")];
function filter() {
  let shown = 0;
  for (const card of document.querySelectorAll(".failure")) {
    const fits = filters.every((select) => !select.value || card.dataset[select.dataset.filter].split(" ").includes(select.value));
    card.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} images`;
}
for (const select of filters) select.addEventListener("change", filter);

// What is shown on demand: every switch of one kind follows the others.
for (const box of document.querySelectorAll("[data-show]")) {
  box.addEventListener("change", () => {
    document.body.classList.toggle(box.dataset.show, box.checked);
    for (const other of document.querySelectorAll(`[data-show="${box.dataset.show}"]`)) other.checked = box.checked;
  });
}
