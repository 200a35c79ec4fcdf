(() => {
  const region = document.querySelector(".picture .scroll");
  const svg = region.querySelector("svg");
  const rows = [...document.querySelectorAll("tr[data-name]")];
  const size = svg.viewBox.baseVal;
  const boxes = new Map(); // from a row to the element of its box
  const members = new Map(); // from a box to its rows

  // A layer has a box of its own, or is in that of a block around it, or of the layer before it.
  let last = null;
  for (const row of rows) {
    let name = row.dataset.name;
    let box = document.getElementById(`net.${name}`);
    while (box === null && name.includes(".")) {
      name = name.slice(0, name.lastIndexOf("."));
      box = document.getElementById(`net.${name}`);
    }
    last = box ?? last;
    if (last !== null) {
      boxes.set(row, last);
      members.set(last, [...(members.get(last) ?? []), row]);
    }
  }

  let scale = 1;
  const zoom = (factor) => {
    scale = Math.min(Math.max(factor, 0.05), 8);
    svg.setAttribute("width", `${(size.width * scale * 4) / 3}`);
    svg.setAttribute("height", `${(size.height * scale * 4) / 3}`);
  };
  const fit = () => {
    const wide = (region.clientWidth - 24) / ((size.width * 4) / 3);
    const high = (region.clientHeight - 24) / ((size.height * 4) / 3);
    zoom(Math.min(wide, high));
  };

  const mark = (chosen, line) => {
    for (const old of document.querySelectorAll(".selected")) {
      old.classList.remove("selected");
      old.removeAttribute("aria-current");
    }
    const shown = new Set(chosen.map((row) => folds.shown(boxes.get(row))));
    const parts = [...chosen, ...shown, line].filter((part) => part);
    for (const part of parts) {
      part.classList.add("selected");
      part.setAttribute("aria-current", "true");
    }
    for (const part of [chosen[0], folds.shown(boxes.get(chosen[0])), line]) {
      part?.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  };
  const lineOf = (row) => {
    const link = row.querySelector("td a");
    return link && document.getElementById(link.hash.slice(1));
  };
  const select = (chosen) => chosen.length && mark(chosen, lineOf(chosen[0]));

  for (const [box, inside] of members) {
    box.addEventListener("click", (event) => {
      event.preventDefault();
      event.stopPropagation();
      select(inside);
    });
  }
  for (const row of rows) {
    row.tabIndex = 0;
    row.addEventListener("click", () => select([row]));
    row.addEventListener("keydown", (event) => {
      const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling };
      if (event.key === "Enter" && event.target === row) select([row]);
      else if (next[event.key]) next[event.key].focus();
      else return;
      event.preventDefault();
    });
  }
  for (const line of document.querySelectorAll(".text li")) {
    line.addEventListener("click", () => {
      const chosen = rows.filter((row) => lineOf(row) === line);
      if (chosen.length) mark(chosen, line);
    });
  }

  const search = document.getElementById("search");
  const count = document.getElementById("count");
  let found = [];
  let place = 0;
  const show = () => {
    count.textContent = found.length ? `${place + 1} of ${found.length}` : "none";
    select(found.slice(place, place + 1));
  };
  search.addEventListener("input", () => {
    const words = search.value.trim().toLowerCase();
    found = rows.filter((row) => row.textContent.toLowerCase().includes(words));
    place = 0;
    if (words) show();
    else count.textContent = "";
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !found.length) return;
    place = (place + (event.shiftKey ? found.length - 1 : 1)) % found.length;
    show();
  });

  // A click on the frame of a block folds it to one box, and back.
  const folded = (act) => {
    act();
    zoom(scale);
  };
  for (const frame of folds.frames) {
    frame.part.addEventListener("click", (event) => {
      event.preventDefault();
      folded(() => folds.toggle(frame));
    });
  }
  const tools = {
    fold: () => folded(() => folds.all(true)),
    unfold: () => folded(() => folds.all(false)),
    larger: () => zoom(scale * 1.25),
    smaller: () => zoom(scale / 1.25),
    whole: fit,
    actual: () => zoom(1),
  };
  for (const [name, act] of Object.entries(tools)) {
    document.getElementById(name).addEventListener("click", act);
  }
  for (const name of ["fold", "unfold"]) {
    document.getElementById(name).hidden = !folds.frames.length;
  }
  const keys = {
    "+": "larger", "=": "larger", "-": "smaller", 0: "whole", 1: "actual", f: "fold", u: "unfold",
  };
  document.addEventListener("keydown", (event) => {
    if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") search.focus();
    else if (keys[event.key]) tools[keys[event.key]]();
    else return;
    event.preventDefault();
  });
  document.getElementById("tools").hidden = false;
})();
