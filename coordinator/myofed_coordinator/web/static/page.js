"use strict";
// What a page does beyond its HTML: colours, curves, and telling a screen reader what changed. All of it can be missing.
(() => {
  const root = document.documentElement;

  function isDark() {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function addThemeSwitch() {
    const button = document.getElementById("theme");
    if (!button) {
      return;
    }
    const say = () => {
      button.setAttribute("aria-pressed", String(isDark()));
    };
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        window.localStorage.setItem("myofed-theme", root.dataset.theme);
      } catch (error) {
        // Then the choice holds for this page.
      }
      say();
      drawAll();
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      say();
      drawAll();
    });
  }

  // A figure with data-table draws the columns of that table: its first column is x, cells carry data-value.
  function columnsOf(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    const rows = Array.from(table.tBodies[0].rows).reverse();
    const value = (cell) => (cell && cell.dataset.value !== undefined ? Number(cell.dataset.value) : null);
    const drawn = heads.map((head, index) => index).filter((index) => heads[index].dataset.series !== undefined);
    return {
      names: drawn.map((index) => heads[index].dataset.series),
      data: [rows.map((row) => value(row.cells[0]))].concat(
        drawn.map((index) => rows.map((row) => value(row.cells[index])))
      ),
    };
  }

  function colour(name) {
    return window.getComputedStyle(root).getPropertyValue(name).trim();
  }

  const plots = new Map();

  function draw(figure) {
    const table = document.getElementById(figure.dataset.table);
    if (!table || typeof window.uPlot !== "function") {
      return;
    }
    const { names, data } = columnsOf(table);
    if (data[0].length < 2) {
      return;
    }
    const box = figure.querySelector(".plot");
    const known = plots.get(figure);
    const key = names.join("|") + String(isDark());
    if (known && known.key === key) {
      known.plot.setData(data);
      return;
    }
    if (known) {
      known.plot.destroy();
    }
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { show: false } };
    const plot = new window.uPlot(
      {
        width: box.clientWidth || 320,
        height: 260,
        scales: { x: { time: false }, y: { range: [0, 1] } },
        axes: [
          Object.assign({ label: figure.dataset.x, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }, axis),
          Object.assign({ label: figure.dataset.y, size: 56 }, axis),
        ],
        series: [{ label: figure.dataset.x }].concat(
          names.map((name, index) => ({
            label: name,
            stroke: index === 0 ? colour("--text") : colour("--c" + String((index - 1) % 6)),
            width: index === 0 ? 3 : 1.5,
            spanGaps: true,
            value: (_self, number) => (number === null || number === undefined ? "-" : number.toFixed(3)),
          }))
        ),
      },
      data,
      box
    );
    figure.classList.add("drawn");
    plots.set(figure, { plot, key });
  }

  function drawAll() {
    document.querySelectorAll("figure[data-table]").forEach(draw);
  }

  window.addEventListener("resize", () => {
    plots.forEach(({ plot }, figure) => {
      plot.setSize({ width: figure.querySelector(".plot").clientWidth || 320, height: 260 });
    });
  });

  let said = "";
  function announce() {
    const live = document.getElementById("live");
    const place = document.getElementById("announce");
    if (live && place && live.dataset.say !== undefined && live.dataset.say !== said) {
      if (said !== "") {
        place.textContent = live.dataset.say;
      }
      said = live.dataset.say;
    }
  }

  function connection(text) {
    const place = document.getElementById("connection");
    if (place && place.textContent !== text) {
      place.textContent = text;
    }
  }

  document.addEventListener("htmx:after:swap", () => {
    connection("");
    drawAll();
    announce();
  });
  for (const name of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(name, () => {
      connection("The coordinator does not answer; this page shows an older state.");
    });
  }

  // A set-up link carries its secret behind the #, which never reaches a server's log; here it moves into the form.
  function takeFragment() {
    const field = document.querySelector("input[data-from-fragment]");
    if (field && window.location.hash.length > 1) {
      field.value = window.location.hash.slice(1);
      window.history.replaceState(null, "", window.location.pathname);
    }
  }

  // Initial weights are sent as they are, under their digest; the route takes them piece by piece.
  function addUpload() {
    const box = document.querySelector("[data-upload]");
    if (!box || !window.crypto.subtle) {
      return;
    }
    const state = document.getElementById("upload-state");
    const choice = document.getElementById("weights");
    box.hidden = false;
    document.getElementById("upload").addEventListener("change", async (event) => {
      const file = event.target.files[0];
      if (!file) {
        return;
      }
      state.textContent = "Reading ...";
      try {
        const digest = await window.crypto.subtle.digest("SHA-256", await file.arrayBuffer());
        const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
        state.textContent = "Sending ...";
        const answer = await fetch("/api/v1/weights/" + sha256, {
          method: "PUT",
          credentials: "same-origin",
          headers: { "content-type": "application/octet-stream", "x-csrf-token": document.querySelector("input[name=csrf]").value },
          body: file,
        });
        if (!answer.ok) {
          const refused = await answer.json();
          state.textContent = "Refused with the code " + refused.code + ".";
          return;
        }
        if (!Array.from(choice.options).some((option) => option.value === sha256)) {
          choice.add(new Option("uploaded, " + sha256.slice(0, 12), sha256));
        }
        choice.value = sha256;
        state.textContent = "Uploaded and chosen.";
      } catch (error) {
        state.textContent = "It could not be sent.";
      }
    });
  }

  addThemeSwitch();
  takeFragment();
  addUpload();
  drawAll();
  announce();
})();
