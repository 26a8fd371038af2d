"use strict";
// The status page asks for its own body every two seconds and replaces it when it changed.
const live = document.getElementById("live");
const connection = document.getElementById("connection");
const EVERY_MS = 2000;
let shown = "";

function openStates() {
  return Array.from(live.querySelectorAll("details"), (one) => one.open);
}

function show(text) {
  if (text === shown) {
    return;
  }
  const first = shown === "";
  const open = openStates();
  live.innerHTML = text;
  const found = live.querySelectorAll("details");
  if (!first && found.length === open.length) {
    found.forEach((one, index) => { one.open = open[index]; });
  }
  shown = text;
}

async function refresh() {
  try {
    const answer = await fetch("/live", { credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) {
      window.location.assign("/login");
      return;
    }
    if (!answer.ok) {
      throw new Error(String(answer.status));
    }
    const text = await answer.text();
    if (window.getSelection().isCollapsed) {
      show(text);
    }
    connection.textContent = "";
  } catch (error) {
    connection.textContent = "The coordinator does not answer; this page shows an older state.";
  }
  window.setTimeout(refresh, EVERY_MS);
}

window.setTimeout(refresh, EVERY_MS);
