"use strict";
const form = document.getElementById("filters");
if (form) {
  const rows = [...document.querySelectorAll("#findings tbody tr")];
  const shown = document.getElementById("shown");
  form.addEventListener("input", () => {
    const wanted = [...new FormData(form)].filter(([, value]) => value !== "");
    let count = 0;
    for (const row of rows) {
      row.hidden = !wanted.every(([name, value]) => row.dataset[name] === value);
      if (!row.hidden) count += 1;
    }
    shown.textContent = `${count} of ${rows.length}`;
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}
