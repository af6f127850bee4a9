"use strict";
// The results table: sort the models (references stay on top) and select columns.
{
  document.documentElement.classList.add("scripting");
  const table = document.getElementById("table");
  const body = table.querySelector("tbody.models");
  const heads = [...table.querySelectorAll("thead th")];
  const own = body ? [...body.rows] : [];

  const key = (row, index) => {
    const cell = row.cells[index];
    if (index === 0) return cell.textContent;
    return cell.dataset.order === "" ? null : Number(cell.dataset.order);
  };

  // Systems without a value stay at the end in both directions.
  const sort = (index, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const sorted = [...own].sort((one, other) => {
      const a = key(one, index);
      const b = key(other, index);
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (index === 0 ? a.localeCompare(b) : a - b);
    });
    body.append(...(direction === "none" ? own : sorted));
  };

  const next = (head) => {
    const best = head.dataset.better === "higher" ? "descending" : "ascending";
    const worst = best === "ascending" ? "descending" : "ascending";
    return { none: best, [best]: worst, [worst]: "none" }[head.getAttribute("aria-sort")];
  };

  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const direction = next(head);
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", direction);
      if (body) sort(index, direction);
    });
  });

  const choice = document.querySelector("#columns div");
  heads.slice(1).forEach((head, number) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      for (const row of table.rows) row.cells[number + 1].hidden = !box.checked;
    });
    label.append(box, " ", head.querySelector("span").textContent);
    choice.append(label);
  });
}
